"""What executor tests share: a listener that keeps what an executor says, and data that is soon learnt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import Severity


class Listener:
    """A `Say` that keeps everything it is told. `stop_after`: ask to stop after that many progress reports."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.metrics: dict[str, float] = {}
        self.diagnostics: list[tuple[Severity, str, str]] = []
        self.positions: list[tuple[float, float | None, str]] = []
        self.lines: list[str] = []
        self.stop_after = stop_after

    def progress(self, done: float, total: float | None, unit: Any, what: str = "") -> None:
        self.positions.append((done, total, unit))

    def metric(self, name: str, value: float, unit: str = "", at: float | None = None) -> None:
        self.metrics[name] = value

    def diagnostic(self, severity: Severity, code: str, text: str, because: str = "", hint: str = "") -> None:
        self.diagnostics.append((severity, code, text))

    def log(self, text: str) -> None:
        self.lines.append(text)

    def should_stop(self) -> bool:
        return self.stop_after is not None and len(self.positions) >= self.stop_after


@pytest.fixture
def listener() -> Listener:
    """A fresh listener."""
    return Listener()


@pytest.fixture
def stopping_listener() -> Listener:
    """A listener that asks to stop after the first progress report."""
    return Listener(stop_after=1)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty questions with answers of few different words."""
    words = ("list", "text", "file", "line")
    rows = [{"prompt": f"What does f{n} do?", "completion": f"It returns the {words[n % 4]}."} for n in range(40)]
    path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
