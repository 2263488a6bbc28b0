"""Asks an artifact: starts the process that answers for it, sends questions, hands on what it says as it says it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from advisor.domain.answering import (
    Answered,
    Cancel,
    Opening,
    Piece,
    Question,
    Ready,
    Refused,
    Said,
    Turn,
    parse_said,
)
from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.plan import ArtifactRef

PATIENCE = 3.0
"""Seconds between closing its pipe and killing it."""


class Answerer:
    """One artifact that answers. Blocking calls: an app uses them in a thread. `cancel` and `close` from any thread.

    A context manager; leaving it ends the process.
    """

    def __init__(self, roles: Mapping[str, ArtifactRef], threads: int | None = None, log: Path | None = None) -> None:
        """`log`: where libraries' words go; nowhere without it."""
        self._writing, self._number = threading.Lock(), 0
        with contextlib.ExitStack() as stack:
            sink = stack.enter_context(log.open("ab")) if log is not None else subprocess.DEVNULL
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "executors.answer"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                start_new_session=True,
            )
        self._send(Opening(roles=dict(roles), threads=threads))

    def ready(self) -> Ready:
        """Wait until the model is loaded. Raises AdvisorError when it cannot be."""
        said = self._hear()
        if isinstance(said, Ready):
            return said
        raise _refusal(said)

    def ask(
        self, messages: Sequence[Turn], max_tokens: int = 64, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[Piece | Answered]:
        """The pieces of the answer as they come, and at the end what was answered. Raises AdvisorError."""
        self._number += 1
        number = self._number
        self._send(
            Question(id=number, messages=tuple(messages), max_tokens=max_tokens, temperature=temperature, seed=seed)
        )
        while True:
            said = self._hear()
            if isinstance(said, Refused):
                raise _refusal(said)
            if isinstance(said, Ready) or said.id != number:
                continue
            yield said
            if isinstance(said, Answered):
                return

    def cancel(self) -> None:
        """End the answer that is being written; `ask` then yields `Answered` with what there is."""
        with contextlib.suppress(AdvisorError):
            self._send(Cancel())

    def close(self) -> None:
        """End the process; no other is left."""
        with self._writing, contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Answerer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, message: Opening | Question | Cancel) -> None:
        data = message.model_dump_json(by_alias=True).encode() + b"\n"
        with self._writing:
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(data)
                self._process.stdin.flush()
            except (OSError, ValueError):
                # What it said before it went explains more than a broken pipe.
                if not isinstance(message, Opening):
                    raise self._gone() from None

    def _hear(self) -> Said:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValidationError):
                return parse_said(line)
        raise self._gone()

    def _gone(self) -> AdvisorError:
        status = self._process.wait()
        why = f"it was killed by signal {-status}" if status < 0 else f"it ended with exit code {status}"
        hint = "free memory, or choose a smaller artifact" if status == -9 else ""
        return AdvisorError("the process that answers is gone", why=why, hint=hint, code=ExitCode.RUN_FAILED)


def _refusal(said: Said) -> AdvisorError:
    if not isinstance(said, Refused):
        return AdvisorError("the process that answers speaks out of turn", code=ExitCode.RUN_FAILED)
    known = {int(code) for code in ExitCode}
    code = ExitCode(said.exit_code) if said.exit_code in known else ExitCode.RUN_FAILED
    return AdvisorError(said.text, why=said.because, hint=said.hint, code=code)
