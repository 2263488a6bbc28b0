"""advisor/engine/machine.py: what a calibration says of a model of some width."""

from __future__ import annotations

import pytest

from advisor.domain.calibration import Calibration, DeviceRates, DtypeRates
from advisor.domain.measurement import Correction
from advisor.domain.profiles import HardwareProfile
from advisor.engine.machine import measured_facts


def rates(narrow: float, wide: float) -> DtypeRates:
    return DtypeRates(matmul_narrow=9, matmul_wide=9, train_narrow=narrow, train_wide=wide)


CPU = DeviceRates(bf16=rates(0.1, 0.3), fp32=rates(0.02, 0.04), copy_gbs=8)
GPU = DeviceRates(name="A100", bf16=rates(20, 120), fp32=rates(5, 10), copy_gbs=1500)
CALIBRATION = Calibration(threads=2, cpu=CPU, gpus=(GPU,), disk_write_mbs=250)
MACHINE = HardwareProfile(calibration=CALIBRATION, identity="me")


@pytest.mark.parametrize(("hidden", "expected"), [(64, 0.1), (576, 0.1), (1086, 0.2), (2048, 0.3), (8192, 0.3)])
def test_the_speed_follows_the_width(hidden: int, expected: float) -> None:
    """Between the two widths by the logarithm, beyond them as at the nearer one."""
    found = measured_facts(MACHINE, {}, hidden)
    assert found["measured_tflops"] == pytest.approx(expected, rel=0.01)
    assert found["measured_bandwidth"] == 8 and found["measured_disk_mbs"] == 250
    assert found["calibration"] == CALIBRATION.id and found["machine"] == "me"


def test_a_gpu_has_its_own_speed() -> None:
    """The GPU that trains decides; one that was not there when measuring has none."""
    assert measured_facts(MACHINE, {"has_gpu": True, "gpu_name": "A100"}, 4096)["measured_tflops"] == 120
    assert "measured_tflops" not in measured_facts(MACHINE, {"has_gpu": True, "gpu_name": "H100"}, 4096)


def test_simulated_hardware_was_measured_by_nobody() -> None:
    """Neither calibration nor corrections reach facts of simulated hardware."""
    taught = Correction(scope="lora", quantity="seconds", ratio=2, runs=1)
    real = MACHINE.model_copy(update={"corrections": (taught,)})
    assert measured_facts(real, {}, 576)["corrections"] == (taught,)
    assert measured_facts(real.model_copy(update={"is_simulated": True}), {}, 576) == {}
