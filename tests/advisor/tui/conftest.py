"""The app without a terminal, on a machine of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.domain.profiles import CpuProfile, GpuProfile, HardwareProfile
from advisor.runs.advise import Overrides
from advisor.tui.app import AdvisorApp

MACHINE = HardwareProfile(
    gpus=(GpuProfile(uuid="0", name="RTX 4090", total_gib=24, free_gib=24),),
    cpu=CpuProfile(name="test", cores=8),
    ram_gib=64,
    ram_free_gib=60,
    disk_gib=500,
)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AdvisorApp:
    """What it writes goes below `tmp_path`."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return AdvisorApp(MACHINE, Overrides(), "default")
