"""Calibration sequences: a step's data as equally long runs of tokens, without padding.

Rows are joined as the model would see them in training, and windows are taken evenly over the whole, so that every
part of the data has its say. Deterministic; nothing is drawn at random.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError, ExitCode, Severity
from advisor.domain.plan import DataSpec
from executors.protocol import Say

if TYPE_CHECKING:
    import torch

ROWS_AT_ONCE = 256
SURPLUS = 4
"""How many times the wanted tokens are read, so that windows can be spread over more of the data."""


def calibration_ids(data: DataSpec, model: Path, sequences: int, seq_len: int, say: Say) -> torch.Tensor:
    """The ids of a `CalibrationText`, for a step that needs them at once."""
    return CalibrationText(data, model, sequences, seq_len).ids(say)


class CalibrationText:
    """The sequences of a step. Where torch is not loaded yet, a process of its own begins to make them at once:
    importing torch takes about as long as reading, rendering and encoding the text, and can go on beside it.
    """

    def __init__(self, data: DataSpec, model: Path, sequences: int, seq_len: int) -> None:
        self._data, self._wanted = data, sequences
        self._asked = {"data": data.model_dump(mode="json"), "model": str(model), "shape": [sequences, seq_len]}
        self._process: subprocess.Popen[str] | None = None
        if "torch" not in sys.modules:
            command = [sys.executable, "-P", "-m", "executors.activations.text"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(self._asked))
            self._process.stdin.close()

    def ids(self, say: Say) -> torch.Tensor:
        """Token ids [sequences, seq_len] of the training part of the data; to be asked for once.

        Fewer sequences, with a warning, when the data is short; AdvisorError when it does not fill one.
        """
        import torch

        found = _made(self._asked) if self._process is None else self._received(self._process)
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
        assert process.stdout is not None
        with process:
            text = process.stdout.read()
        # A process that ended without an answer was killed, or failed as it would fail here, where it is told better.
        return dict(json.loads(text)) if process.returncode == 0 else _made(self._asked)


def _made(asked: dict[str, Any]) -> dict[str, Any]:
    """The `ids`, how many `tokens` were read and `wanted`; or an expected `error`."""
    sequences, seq_len = asked["shape"]
    wanted = sequences * seq_len
    data = DataSpec(**asked["data"])
    try:
        stream = _stream(data, Path(asked["model"]), SURPLUS * wanted)
        return {"ids": windows(stream, sequences, seq_len), "tokens": len(stream), "wanted": wanted}
    except AdvisorError as error:
        told = {"what": error.what, "why": error.why, "hint": error.hint, "code": int(error.code)}
        return {"error": told}


def _stream(data: DataSpec, model: Path, enough: int) -> list[int]:
    """The ids of whole rows, one after another, until there are enough."""
    from executors.datasets import load
    from executors.datasets.file_tokenizer import open_tokenizer
    from executors.datasets.render import token_ids

    tokenizer = open_tokenizer(model)
    rows = load(data, "train")
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
    sys.stdout.write(json.dumps(_made(json.load(sys.stdin))))
