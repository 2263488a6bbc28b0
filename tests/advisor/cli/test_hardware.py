"""`advisor hardware`: the contract's JSON, the text, and simulation."""

from __future__ import annotations

import json

import pytest

from advisor.cli import run_command
from advisor.cli.hardware import as_json, as_text
from advisor.domain.profiles import GpuProfile, GpuStatus, HardwareProfile

UNKNOWN = GpuProfile(uuid="GPU-1", name="NVIDIA GB10", is_unified=True)


def test_the_json_has_the_shape_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    """`schema`, `gpus`, `status` and `ram_gib` are there on every machine."""
    assert run_command(["hardware", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == 1
    assert {"gpus", "status", "ram_gib"} <= set(found)


def test_simulated_hardware_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    """`--gpu` and `--ram` show what was asked for, and say that it is not this machine."""
    assert run_command(["hardware", "--gpu", "RTX 4090:24:2", "--ram", "64"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Simulated")
    assert text.count("RTX 4090, 24.0 GiB") == 2
    assert "RAM     64.0 GiB, 64.0 GiB free" in text


def test_unknown_memory_is_null_and_never_zero() -> None:
    """A GPU whose memory the driver does not tell has null in JSON and the word unknown in text."""
    profile = HardwareProfile(gpus=(UNKNOWN,), status=GpuStatus.OK)
    (gpu,) = as_json(profile)["gpus"]
    assert (gpu["uuid"], gpu["name"], gpu["total_gib"], gpu["free_gib"]) == ("GPU-1", "NVIDIA GB10", None, None)
    assert "NVIDIA GB10, unknown, unknown free, memory shared with the CPU" in as_text(profile)
    assert "RAM     unknown" in as_text(profile)


def test_a_failing_driver_is_told_with_its_remedy() -> None:
    """The status and the one line that helps stand under the GPUs."""
    text = as_text(HardwareProfile(status=GpuStatus.DRIVER_NOT_LOADED, remedy="Load it."))
    assert "GPU     none\n        driver-not-loaded: Load it.\n" in text
