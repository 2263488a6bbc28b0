"""advisor/runs/calibrate.py: the measuring process is believed only when it answers properly."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.profiles import HardwareProfile
from advisor.probe.calibration import read_calibration
from advisor.runs.calibrate import calibrate
from tests.advisor.probe.test_calibration import FOUND, MACHINE


def answer(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Let the measuring process be a shell script."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))


def test_the_answer_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A valid line becomes this machine's calibration; the process gets the cores and a folder that exists."""
    line = FOUND.model_dump_json(by_alias=True)
    answer(monkeypatch, tmp_path, f"""echo "$@" > {tmp_path}/asked; printf '%s' '{line}'""")
    assert calibrate(MACHINE, tmp_path / "not" / "there") == FOUND == read_calibration(MACHINE)
    assert (tmp_path / "asked").read_text() == f"-P -m executors.calibrate {tmp_path} --threads 2\n"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo nonsense", "not valid"),
        ("echo 'RuntimeError: no such kernel' >&2; exit 1", "no such kernel"),
        ("echo \"ModuleNotFoundError: No module named 'torch'\" >&2; exit 1", "pip install"),
        ("exit 3", "exit code 3"),
    ],
)
def test_a_failure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, says: str) -> None:
    """What went wrong is in the message, nothing is kept, and the exit code is 1."""
    answer(monkeypatch, tmp_path, script)
    with pytest.raises(AdvisorError) as caught:
        calibrate(MACHINE, tmp_path)
    assert says in caught.value.message() and caught.value.code == 1
    assert read_calibration(MACHINE) is None


def test_simulated_hardware_is_refused() -> None:
    """What is not there cannot be measured."""
    with pytest.raises(AdvisorError, match="simulated") as caught:
        calibrate(HardwareProfile(is_simulated=True))
    assert caught.value.code == 8
