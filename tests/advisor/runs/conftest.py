"""Runs started by these tests leave nothing in the home of whoever runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.toy_runs import ROOT


@pytest.fixture(autouse=True)
def private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """User data below `tmp_path`; supervisors find the tiny executors."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path / "data"
