"""advisor/probe/calibration.py: a calibration counts for the machine it was made on and for no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.domain.calibration import Calibration, DeviceRates, DtypeRates
from advisor.domain.profiles import CpuProfile, GpuProfile, HardwareProfile
from advisor.probe.calibration import identity, read_calibration, store_calibration
from advisor.probe.hardware import simulate

RATES = DtypeRates(matmul_narrow=0.8, matmul_wide=0.4, train_narrow=0.06, train_wide=0.1)
FOUND = Calibration(threads=2, cpu=DeviceRates(bf16=RATES, fp32=RATES, copy_gbs=8.0), disk_write_mbs=300.0)
MACHINE = HardwareProfile(cpu=CpuProfile(name="Some CPU", cores=2), ram_gib=23.5)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_what_is_stored_is_read_again() -> None:
    """A calibration comes back as it was, with the same id."""
    assert read_calibration(MACHINE) is None
    store_calibration(MACHINE, FOUND)
    assert read_calibration(MACHINE) == FOUND
    assert FOUND.id == FOUND.model_copy().id != FOUND.model_copy(update={"threads": 3}).id


@pytest.mark.parametrize(
    "change",
    [
        {"cpu": CpuProfile(name="Other CPU", cores=2)},
        {"cpu": CpuProfile(name="Some CPU", cores=4)},
        {"ram_gib": 31.0},
        {"gpus": (GpuProfile(uuid="GPU-1", name="A"),)},
    ],
)
def test_another_machine_has_none(change: dict[str, object]) -> None:
    """Another processor, number of cores, amount of RAM or GPU is another machine."""
    store_calibration(MACHINE, FOUND)
    assert read_calibration(MACHINE.model_copy(update=change)) is None


def test_free_memory_is_no_part_of_the_identity() -> None:
    """What is free at the moment, and a hidden GPU, change nothing."""
    hidden = (GpuProfile(uuid="GPU-1", name="A", is_visible=False),)
    changed = MACHINE.model_copy(update={"ram_free_gib": 3.0, "disk_gib": 1.0, "ram_gib": 23.6, "gpus": hidden})
    assert identity(changed) == identity(MACHINE)


def test_simulated_hardware_has_none() -> None:
    """A simulated machine keeps nothing of what was measured on the real one."""
    store_calibration(MACHINE, FOUND)
    known = MACHINE.model_copy(update={"calibration": FOUND, "identity": "x"})
    simulated = simulate(known, no_gpu=True)
    assert (simulated.calibration, simulated.identity, simulated.corrections) == (None, "", ())
    assert read_calibration(simulated) is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": 1}', b'{"schema": 1, "threads": -1}', b"x" * 100_000])
def test_a_damaged_file_counts_for_nothing(cache: Path, content: bytes) -> None:
    """An empty, torn, foreign or huge file is as good as none."""
    path = store_calibration(MACHINE, FOUND)
    assert path is not None and path.is_relative_to(cache)
    path.write_bytes(content)
    assert read_calibration(MACHINE) is None
