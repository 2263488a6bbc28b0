"""kill -9 in the middle of training, then the same command again: bit-identical weights."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors import finetune
from executors.artifact import sha256_of
from executors.finetune import Config
from executors.protocol import Inputs
from executors.training.checkpoint import find_newest

pytestmark = pytest.mark.process
PROGRAM = """
import sys
from pathlib import Path
from executors import finetune
from executors.finetune import Config
from executors.protocol import Inputs

class Quiet:
    def progress(self, done, total, unit, what=""): print("at", done, flush=True) if unit == "steps" else None
    def metric(self, *_): pass
    def diagnostic(self, *_): pass
    def log(self, _): pass
    def should_stop(self): return False

config, inputs, out = sys.argv[1:]
finetune.run(Config.model_validate_json(config), Inputs.model_validate_json(inputs), Path(out), Quiet())
"""


def start(config: Config, inputs: Inputs, out: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PROGRAM, config.model_dump_json(), inputs.model_dump_json(), str(out)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def kill_after(process: subprocess.Popen[str], checkpoints: Path, step: int, delay: float) -> int:
    """SIGKILL `delay` seconds after the checkpoint of `step` stands; the newest whole step that was left."""
    target = checkpoints / f"step-{step:08d}" / "manifest.json"
    deadline = time.monotonic() + 120
    while not target.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL, "it ended before it was killed"
    return find_newest(checkpoints).step


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full"])
def test_killed_and_resumed_weights_are_those_of_an_unbroken_run(
    method: str, config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Killed three times, between and inside saves, a training ends with exactly the weights of one never killed."""
    settings = config(method=method, max_steps=24, save_steps=3, eval_steps=5, dropout=0.1, accumulation=2)
    finetune.run(settings, inputs, tmp_path / "whole", listener)
    broken = inputs.model_copy(update={"scratch": str(tmp_path / "broken")})
    left = [
        kill_after(start(settings, broken, tmp_path / "out"), tmp_path / "broken" / "checkpoints", step, delay)
        for step, delay in ((3, 0.0), (9, 0.03), (18, 0.011))
    ]
    assert left == sorted(left)
    assert left[0] >= 3
    assert left[-1] < 24
    finetune.run(settings, broken, tmp_path / "out", listener)
    name = "model.safetensors" if method == "full" else "adapter_model.safetensors"
    assert sha256_of(tmp_path / "out" / name) == sha256_of(tmp_path / "whole" / name)


def test_a_damaged_checkpoint_costs_an_interval_and_nothing_else(
    config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """With one bit flipped in the newest checkpoint, training says so and goes on from the one before, bit for bit."""
    settings = config(save_steps=4)
    finetune.run(settings, inputs, tmp_path / "whole", listener)
    checkpoints = Path(inputs.scratch) / "checkpoints"
    file = checkpoints / "step-00000012" / "optimizer.safetensors"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    finetune.run(settings, inputs, tmp_path / "again", listener)
    assert "checkpoint-skipped" in [code for _, code, _ in listener.diagnostics]
    assert "going on after step 8" in listener.lines
    files = [tmp_path / name / "adapter_model.safetensors" for name in ("whole", "again")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_finished_training_is_only_written(
    config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Killed after the last checkpoint and before the result, a training writes the same result without a step."""
    finetune.run(config(), inputs, tmp_path / "whole", listener)
    finetune.run(config(), inputs, tmp_path / "again", listener)
    assert "going on after step 12" in listener.lines
    files = [tmp_path / name / "adapter_model.safetensors" for name in ("whole", "again")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_threads_of_the_checkpoint_are_kept(
    config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """A training resumed with another thread count keeps the one it began with, since results depend on it."""
    import torch

    before = torch.get_num_threads()
    try:
        finetune.run(config(max_steps=2), inputs, tmp_path / "a", listener)
        other = inputs.model_copy(update={"threads": 2})
        finetune.run(config(max_steps=2), other, tmp_path / "b", listener)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
