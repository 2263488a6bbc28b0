"""Calibration sequences: a step's data as equally long runs of tokens, without padding.

Rows are joined as the model would see them in training, and windows are taken evenly over the whole, so that every
part of the data has its say. Deterministic; nothing is drawn at random.
"""

from __future__ import annotations

import contextlib
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError, ExitCode, Severity
from advisor.domain.plan import DataSpec
from executors.process.preload import is_imported
from executors.protocol import Say

if TYPE_CHECKING:
    import torch

ROWS_AT_ONCE = 256
SURPLUS = 4
"""How many times the wanted tokens are read, so that windows can be spread over more of the data."""


def calibration_ids(data: DataSpec, model: Path, sequences: int, seq_len: int, say: Say) -> torch.Tensor:
    """The ids of a `CalibrationText`, for a step that needs them at once."""
    return CalibrationText(data, sequences, seq_len).encode_with(model).ids(say)


class CalibrationText:
    """The sequences of a step. Where torch is not loaded yet, a process of its own begins to make them at once:
    importing torch takes about as long as reading, rendering and encoding the text, and can go on beside it. The rows
    are read even before it is told, by `encode_with`, whose tokens they are to become.
    """

    def __init__(self, data: DataSpec, sequences: int, seq_len: int) -> None:
        self._data, self._wanted = data, sequences
        self._asked = {"data": data.model_dump(mode="json"), "shape": [sequences, seq_len]}
        self._model = Path()
        self._process: subprocess.Popen[str] | None = None
        if not is_imported("torch"):
            command = [sys.executable, "-P", "-m", "executors.activations.text"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._tell(self._asked)

    def encode_with(self, model: Path) -> CalibrationText:
        """Say in which folder the tokenizer lies; before `ids`, and as soon as it is known."""
        self._model = model
        self._tell(str(model))
        return self

    def ids(self, say: Say) -> torch.Tensor:
        """Token ids [sequences, seq_len] of the training part of the data; to be asked for once.

        Fewer sequences, with a warning, when the data is short; AdvisorError when it does not fill one.
        """
        import torch

        found = _made(self._asked, self._folder) if self._process is None else self._received(self._process)
        if "error" in found:
            raise AdvisorError(**{**found["error"], "code": ExitCode(found["error"]["code"])})
        if len(found["ids"]) < self._wanted:
            say.diagnostic(
                Severity.WARNING,
                "short-calibration",
                f"calibrating with {len(found['ids'])} of {self._wanted} sequences",
                because=f"{self._data.path} holds {found['tokens']} tokens where {found['wanted']} were wanted",
                hint="give more text, or ask for fewer sequences",
            )
        return torch.tensor(found["ids"], dtype=torch.long)

    def _received(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        text, _ = process.communicate()  # by which it may have ended before it was told everything
        # A process that ended without an answer was killed, or failed as it would fail here, where it is told better.
        return dict(json.loads(text)) if process.returncode == 0 else _made(self._asked, self._folder)

    def _folder(self) -> Path:
        return self._model

    def _tell(self, what: object) -> None:
        if self._process is not None and self._process.stdin is not None:
            # What has ended meanwhile has said why, or is made up for.
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(what) + "\n")
                self._process.stdin.flush()


def _made(asked: dict[str, Any], folder: Callable[[], Path]) -> dict[str, Any]:
    """The `ids`, how many `tokens` were read and `wanted`; or an expected `error`. `folder` waits for the tokenizer's
    folder, and is called when the rows are there."""
    sequences, seq_len = asked["shape"]
    wanted = sequences * seq_len
    data = DataSpec(**asked["data"])
    try:
        stream = _stream(data, folder, SURPLUS * wanted)
        return {"ids": windows(stream, sequences, seq_len), "tokens": len(stream), "wanted": wanted}
    except AdvisorError as error:
        told = {"what": error.what, "why": error.why, "hint": error.hint, "code": int(error.code)}
        return {"error": told}


def _stream(data: DataSpec, folder: Callable[[], Path], enough: int) -> list[int]:
    """The ids of whole rows, one after another, until there are enough."""
    from executors.datasets import load
    from executors.datasets.file_tokenizer import open_tokenizer
    from executors.datasets.render import token_ids

    rows = load(data, "train")
    tokenizer = open_tokenizer(folder())
    stream: list[int] = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        for ids in token_ids(rows[start : start + ROWS_AT_ONCE], tokenizer):
            stream += ids
        if len(stream) >= enough:
            break
    return stream


def windows(stream: Sequence[int], sequences: int, seq_len: int) -> list[list[int]]:
    """At most `sequences` windows of `seq_len` ids, spread evenly, without overlap.

    Raises AdvisorError when the stream is shorter than one window.
    """
    fitting = min(sequences, len(stream) // seq_len)
    if fitting == 0:
        raise AdvisorError(
            f"the calibration text has {len(stream)} tokens, fewer than one sequence of {seq_len}",
            hint="give more text, or a smaller seq_len",
        )
    free = len(stream) - fitting * seq_len
    starts = [number * seq_len + (free * number) // max(1, fitting - 1) for number in range(fitting)]
    return [list(stream[start : start + seq_len]) for start in starts]


if __name__ == "__main__":
    # It makes few cycles and ends soon.
    gc.disable()
    _ASKED = json.loads(sys.stdin.readline())
    # Without a folder nobody waits for the ids any more.
    sys.stdout.write(json.dumps(_made(_ASKED, lambda: Path(json.loads(sys.stdin.readline() or sys.exit(1))))))
