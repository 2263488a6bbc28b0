"""`advisor hardware`: the contract's JSON, the text, and simulation."""

from __future__ import annotations

import json

import pytest

from advisor.cli import run_command
from advisor.cli.hardware import as_json, as_text
from advisor.domain.calibration import Calibration, DeviceRates, DtypeRates
from advisor.domain.errors import AdvisorError
from advisor.domain.profiles import GpuProfile, GpuStatus, HardwareProfile
from advisor.probe.hardware import simulate

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


def test_speed_is_shown_once_it_was_measured() -> None:
    """Without a calibration the text says how to get one; with one, text and JSON have its figures; never simulated."""
    rates = DtypeRates(matmul_narrow=0.8, matmul_wide=0.4, train_narrow=0.06, train_wide=0.1)
    found = Calibration(threads=2, cpu=DeviceRates(bf16=rates, fp32=rates, copy_gbs=8.0), disk_write_mbs=300.0)
    plain = HardwareProfile()
    assert "not measured: advisor hardware --calibrate" in as_text(plain) and as_json(plain)["calibration"] is None
    measured = plain.model_copy(update={"calibration": found})
    text = as_text(measured)
    assert "CPU, bf16: training 0.06 TFLOP/s at width 576, 0.1 TFLOP/s at 2048" in text
    assert "copying memory: 8.0 GB/s" in text and "writing: 300 MB/s" in text
    assert as_json(measured)["calibration"]["cpu"]["fp32"]["train_wide"] == 0.1
    assert "Speed" not in as_text(simulate(measured, no_gpu=True))


def test_simulated_hardware_cannot_be_calibrated() -> None:
    """`--calibrate` with `--ram` is refused."""
    with pytest.raises(AdvisorError, match="simulated hardware cannot be measured") as caught:
        run_command(["hardware", "--calibrate", "--ram", "4"])
    assert caught.value.code == 8
