"""`advisor.probe.hardware`: processor, disk, and simulated machines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from advisor.domain.profiles import GpuStatus, HardwareProfile
from advisor.probe.hardware import free_disk_gib, probe_hardware, read_cpu, simulate


def test_this_machine_has_memory_cores_and_a_disk() -> None:
    """What every machine has is known, and a missing GPU is a status, not an exception."""
    found = probe_hardware()
    assert found.ram_gib is not None and found.ram_free_gib is not None
    assert 0 < found.ram_free_gib <= found.ram_gib
    assert found.cpu.cores is not None and found.cpu.cores >= 1
    assert found.disk_gib is not None and found.disk_gib > 0
    assert found.status is GpuStatus.OK or found.remedy


def test_simulated_gpus_replace_the_real_ones_and_are_marked() -> None:
    """`--gpu` gives empty GPUs of that memory, one entry each, and marks the profile."""
    made = simulate(HardwareProfile(status=GpuStatus.NO_DRIVER, remedy="x"), [("A100", 80, 2), ("L4", 24, 1)], 512)
    assert [(g.name, g.total_gib, g.free_gib) for g in made.gpus] == [
        ("A100", 80, 80),
        ("A100", 80, 80),
        ("L4", 24, 24),
    ]
    assert len({g.uuid for g in made.gpus}) == 3
    assert (made.ram_gib, made.ram_free_gib, made.status, made.remedy) == (512, 512, GpuStatus.SIMULATED, "")
    assert made.is_simulated


def test_no_gpu_takes_them_away() -> None:
    """`--no-gpu` leaves none; `--ram` alone leaves the GPUs as they are."""
    real = simulate(HardwareProfile(status=GpuStatus.OK), [("A100", 80, 1)])
    assert simulate(real, no_gpu=True).gpus == ()
    assert simulate(real, ram_gib=8).gpus == real.gpus


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_its_parent(tmp_path: Path) -> None:
    """Free space is known before the run folder is made."""
    assert free_disk_gib(tmp_path / "runs" / "new") == free_disk_gib(tmp_path)


def test_the_features_of_an_arm_processor_go_by_their_usual_names(tmp_path: Path) -> None:
    """`asimd` is neon, `asimddp` is dotprod; only the first processor block is read."""
    (tmp_path / "proc").mkdir()
    text = "processor\t: 0\nFeatures\t: fp asimd asimddp bf16 i8mm\n\nprocessor\t: 1\nFeatures\t: sve\n"
    (tmp_path / "proc/cpuinfo").write_text(text)
    assert read_cpu(tmp_path).features == ("neon", "dotprod", "bf16", "i8mm")


def test_probing_loads_neither_torch_nor_psutil_nor_nvml() -> None:
    """A look at the machine stays cheap: no heavy library is imported."""
    code = (
        "import sys; from advisor.probe.hardware import probe_hardware; probe_hardware();"
        "print([m for m in ('torch', 'psutil', 'pynvml', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
