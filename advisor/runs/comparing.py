"""One prompt to every model of a run, one after the other, each in a process of its own that is kept for the next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from advisor.domain.answering import Answered, Piece, Turn
from advisor.domain.errors import AdvisorError
from advisor.domain.run_report import RunReport
from advisor.runs.answering import Answerer
from advisor.runs.subjects import Subject, subjects

KEPT_FREE = 2 * 2**30
"""Bytes of memory that stay free; a model that would need them is unloaded once it has answered."""
OWN_PROMPTS = ("What is the capital of France?", "Write a Python function that returns the mean of a list.")

Said = Callable[[Subject, "Piece | Answered | AdvisorError"], None]


class Comparing:
    """The models of a run, asked together. `ask` blocks: use it in a thread; `stop` and `close` come from any."""

    def __init__(self, run_dir: Path) -> None:
        """Raises AdvisorError when the folder holds no run."""
        self.subjects = subjects(run_dir)
        self._open: dict[int, Answerer] = {}
        self._lock = threading.Lock()
        self._is_stopped = self._is_closed = False

    def ask(self, prompt: str, said: Said, max_tokens: int = 64, only: int | None = None) -> None:
        """Ask every model (or that of one step). `said` hears pieces, then the answer, or the error of a model that
        cannot answer; the others go on."""
        self._is_stopped = False
        for subject in self.subjects:
            if self._is_stopped or (only is not None and subject.number != only):
                continue
            try:
                answerer = self._answerer(subject)
                for piece in answerer.ask((Turn(content=prompt),), max_tokens=max_tokens):
                    said(subject, piece)
            except AdvisorError as error:
                self._forget(subject)
                if not self._is_closed:
                    said(subject, error)
            self._make_room(subject)

    def stop(self) -> None:
        """End the answer that is being written, and ask no more."""
        self._is_stopped = True
        with self._lock:
            for answerer in self._open.values():
                answerer.cancel()

    def close(self) -> None:
        """End every process."""
        self._is_stopped = self._is_closed = True
        with self._lock:
            found, self._open = list(self._open.values()), {}
        for answerer in found:
            answerer.close()

    def _answerer(self, subject: Subject) -> Answerer:
        with self._lock:
            if self._is_closed:
                raise AdvisorError("the comparison was left")
            known = self._open.get(subject.number)
            if known is not None:
                return known
            made = self._open[subject.number] = Answerer(subject.roles)
        made.ready()
        return made

    def _make_room(self, subject: Subject) -> None:
        import psutil

        if psutil.virtual_memory().available < KEPT_FREE:
            self._forget(subject)

    def _forget(self, subject: Subject) -> None:
        with self._lock:
            known = self._open.pop(subject.number, None)
        if known is not None:
            known.close()


def prompts_of(report: RunReport) -> tuple[str, ...]:
    """What the run's own evaluations asked, and two of general use."""
    asked = [sample["prompt"] for step in report.steps for sample in step.samples if sample.get("prompt")]
    return tuple(dict.fromkeys([*asked, *OWN_PROMPTS]))
