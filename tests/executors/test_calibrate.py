"""executors/calibrate.py: the figures are real, and looking at the module costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from advisor.domain.calibration import NARROW, Calibration
from executors import calibrate


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardly any time per figure."""
    monkeypatch.setattr(calibrate, "SECONDS", 0.005)
    monkeypatch.setattr(calibrate, "LONGEST", 0.01)
    monkeypatch.setattr(calibrate, "COPIED", 2**20)


def test_importing_loads_no_torch() -> None:
    """The module can be imported by anything without the weight of torch."""
    code = "import sys, executors.calibrate; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_it_prints_one_line_of_json(hurried: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer is one valid line with figures above zero for both formats, memory and disk; nothing stays behind."""
    import torch

    threads = torch.get_num_threads()
    try:
        assert calibrate.main([str(tmp_path), "--threads", "1"]) == 0
    finally:
        torch.set_num_threads(threads)
    (line,) = capsys.readouterr().out.splitlines()
    found = Calibration.model_validate_json(line)
    assert found.threads == 1 and found.torch == torch.__version__
    assert min(*found.cpu.bf16.model_dump().values(), *found.cpu.fp32.model_dump().values(), found.cpu.copy_gbs) > 0
    assert found.disk_write_mbs is not None and found.disk_write_mbs > 0
    assert len(found.gpus) == len({torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())})
    assert json.loads(line)["schema"] == 1 and not list(tmp_path.iterdir())


def test_a_pass_counts_what_autograd_does(hurried: None) -> None:
    """The operations a training pass is credited with are those that torch counts, adapters apart, within a tenth."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    inner, head = calibrate.SHAPES[NARROW]
    block = calibrate._Block(torch.device("cpu"), torch.float32, NARROW, inner, head)
    inputs = torch.randn(2, 16, NARROW, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        block(inputs).sum().backward()
    credited = calibrate.pass_flops(2 * 16, 16, NARROW, inner)
    adapters = 3 * 2 * 2 * 16 * calibrate.RANK * sum(sum(m[0].shape) for m in block.matrices.values())
    assert credited + adapters == pytest.approx(counter.get_total_flops(), rel=0.1)


def test_a_folder_that_cannot_be_written_has_no_figure(tmp_path: Path) -> None:
    """Without a place to write, the disk is not measured and nothing fails."""
    assert calibrate.disk_write(tmp_path / "missing") is None
