"""kill -9 in the middle of a quantization, then the same again: the same bytes, finished blocks not done twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from executors import quantize
from executors.artifact import sha256_of
from executors.protocol import Input, Inputs, Stopped

pytestmark = pytest.mark.process
DATA = {"path": "builtin:stdlib", "kind": "text"}
WEIGHTS = "model.safetensors"
pytestmark = pytest.mark.process
PROGRAM = """
import sys
from pathlib import Path
# As here, where it is loaded: torch replaces a function or two of the standard library, which is the data.
import torch
from executors import quantize
from executors.protocol import Inputs

class Slow:
    def progress(self, done, total, unit, what=""):
        import time
        print("at", done, flush=True)
        time.sleep(60 if done == 3 else 0)
    def metric(self, *_, **__): pass
    def diagnostic(self, *_, **__): pass
    def log(self, _): pass
    def should_stop(self): return False

config, inputs, out = sys.argv[1:]
quantize.run(quantize.Config.model_validate_json(config), Inputs.model_validate_json(inputs), Path(out), Slow())
"""


def _config(**values: Any) -> quantize.Config:
    return quantize.Config(**{"data": DATA, "sequences": 8, "seq_len": 32, **values})


def _inputs(model: Path, scratch: Path) -> Inputs:
    import torch

    roles = {"model": Input(kind="causal-lm", path=str(model))}
    return Inputs(roles=roles, threads=torch.get_num_threads(), scratch=str(scratch))


@pytest.mark.slow
def test_killed_and_resumed_gives_the_same_bytes(tmp_path: Path, make_model: Any, listener: Any) -> None:
    """Killed after three of four blocks, the next run takes those three from the scratch folder and ends alike."""
    import os

    import torch

    model = make_model(tmp_path / "model", num_hidden_layers=4)
    config, inputs = _config(format="awq"), _inputs(model, tmp_path / "scratch")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, config.model_dump_json(), inputs.model_dump_json(), str(tmp_path / "killed")],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    third = tmp_path / "scratch" / "blocks" / "block-00002.safetensors"
    deadline = time.monotonic() + 120
    while not third.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    quantize.run(config, inputs, tmp_path / "resumed", listener)
    assert "going on after 3 finished blocks" in listener.lines
    quantize.run(config, _inputs(model, tmp_path / "fresh"), tmp_path / "whole", listener)
    assert sha256_of(tmp_path / "resumed" / WEIGHTS) == sha256_of(tmp_path / "whole" / WEIGHTS)


@pytest.mark.parametrize("form", ["gptq", "awq", "int8-w8a8", "fp8"])
def test_stopped_and_resumed_gives_the_same_bytes(
    tiny_model: Path, tmp_path: Path, listener: Any, stopping_listener: Any, form: str
) -> None:
    """Asked to stop after the first of two blocks, the next run does the second only, to the same bytes."""
    config, inputs = _config(format=form), _inputs(tiny_model, tmp_path / "scratch")
    with pytest.raises(Stopped):
        quantize.run(config, inputs, tmp_path / "stopped", stopping_listener)
    quantize.run(config, inputs, tmp_path / "resumed", listener)
    assert listener.lines[-1] == "going on after 1 finished blocks"
    quantize.run(config, _inputs(tiny_model, tmp_path / "fresh"), tmp_path / "whole", listener)
    assert sha256_of(tmp_path / "resumed" / WEIGHTS) == sha256_of(tmp_path / "whole" / WEIGHTS)


def test_other_settings_do_not_take_finished_blocks(
    tiny_model: Path, tmp_path: Path, listener: Any, stopping_listener: Any
) -> None:
    """Blocks of four bits are done again when eight are asked for."""
    inputs = _inputs(tiny_model, tmp_path / "scratch")
    with pytest.raises(Stopped):
        quantize.run(_config(format="gptq"), inputs, tmp_path / "stopped", stopping_listener)
    quantize.run(_config(format="gptq", bits=8), inputs, tmp_path / "out", listener)
    assert "kept-block-skipped" in [code for _, code, _ in listener.diagnostics]
