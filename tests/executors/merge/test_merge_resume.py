"""A merge that was killed goes on after its finished tensors, to the same bytes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from executors import merge
from executors.artifact import sha256_of
from executors.protocol import Input, Inputs, Stopped
from executors.tensors.continued import FINISHED, IDENTITY
from tests.executors.conftest import Listener

pytestmark = pytest.mark.process
WEIGHTS = "model.safetensors"
TIES = merge.Config(method="ties")
PROGRAM = """
import sys, time
from pathlib import Path
from executors import merge
from executors.protocol import Inputs

class Slow:
    asked = 0
    def progress(self, *_): pass
    def metric(self, *_, **__): pass
    def diagnostic(self, *_, **__): pass
    def log(self, _): pass
    def should_stop(self):
        # Asked by the thread that makes tensors, before each is written: it is here that it has to wait.
        if self.asked == 9:
            print("at", 9, flush=True)
            time.sleep(60)
        self.asked += 1
        return False

merge.run(merge.Config(method="ties"), Inputs.model_validate_json(sys.argv[1]), Path(sys.argv[2]), Slow())
"""


@pytest.fixture(scope="module")
def family(tiny_model: Path, make_model: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A base and two other models of its shape."""
    return [tiny_model, *(make_model(tmp_path_factory.mktemp(f"variant{n}"), seed=n) for n in (1, 2))]


def _inputs(family: list[Path], scratch: Path | str) -> Inputs:
    base, *models = family
    roles = {f"models.{n}": Input(kind="causal-lm", path=str(path)) for n, path in enumerate(models)}
    return Inputs(roles={**roles, "model": Input(kind="causal-lm", path=str(base))}, scratch=str(scratch), threads=1)


class _Stopping(Listener):
    """Asks to stop after six tensors. The thread that makes them asks before each is written, while another reports
    progress: what is counted by reports would depend on how far the first is ahead."""

    asked = 0

    def should_stop(self) -> bool:
        self.asked += 1
        return self.asked > 6


def _stopped(family: list[Path], scratch: Path, out: Path) -> None:
    with pytest.raises(Stopped):
        merge.run(TIES, _inputs(family, scratch), out, _Stopping())
    assert len((scratch / "unfinished" / FINISHED).read_text().splitlines()) == 6


def test_killed_and_resumed_gives_the_same_bytes(family: list[Path], tmp_path: Path, listener: Any) -> None:
    """Killed after nine tensors, the next run makes only the others; the files lie in the result, scratch is empty."""
    given = _inputs(family, tmp_path / "scratch")
    command = [sys.executable, "-c", PROGRAM, given.model_dump_json(), str(tmp_path / "killed")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.split() == ["at", "9"]:
                process.kill()
        assert process.wait() == -signal.SIGKILL
    merge.run(TIES, given, tmp_path / "resumed", listener)
    merge.run(TIES, _inputs(family, ""), tmp_path / "straight", Listener())
    assert listener.positions[0][0] == 10
    assert any("finished tensors" in line for line in listener.lines)
    assert sha256_of(tmp_path / "resumed" / WEIGHTS) == sha256_of(tmp_path / "straight" / WEIGHTS)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_damaged_tensor_is_made_again(family: list[Path], tmp_path: Path, listener: Any) -> None:
    """What no longer has the hash it was finished with does not count, nor does a torn line of the list."""
    _stopped(family, tmp_path / "scratch", tmp_path / "first")
    unfinished = tmp_path / "scratch" / "unfinished"
    count = len((unfinished / FINISHED).read_text().splitlines())
    with (unfinished / WEIGHTS).open("r+b") as file:
        # The largest tensor is made first: the embedding, whose bytes these are.
        start = 8 + int.from_bytes(file.read(8), "little")
        header = json.loads((unfinished / WEIGHTS).read_bytes()[8:start])
        file.seek(start + header["model.embed_tokens.weight"]["data_offsets"][0])
        file.write(b"\xff" * 64)
    with (unfinished / FINISHED).open("a") as file:
        file.write('["abc')
    merge.run(TIES, _inputs(family, tmp_path / "scratch"), tmp_path / "resumed", listener)
    assert listener.lines == [f"going on after {count - 1} finished tensors"]
    merge.run(TIES, _inputs(family, ""), tmp_path / "straight", Listener())
    assert sha256_of(tmp_path / "resumed" / WEIGHTS) == sha256_of(tmp_path / "straight" / WEIGHTS)


def test_other_settings_or_models_begin_anew(family: list[Path], tmp_path: Path, listener: Any) -> None:
    """Tensors of another merge are not taken over."""
    _stopped(family, tmp_path / "scratch", tmp_path / "first")
    before = (tmp_path / "scratch" / "unfinished" / IDENTITY).read_text()
    merge.run(merge.Config(method="linear"), _inputs(family[::-1], tmp_path / "scratch"), tmp_path / "other", listener)
    assert listener.lines == [] and before
    merge.run(merge.Config(method="linear"), _inputs(family[::-1], ""), tmp_path / "straight", Listener())
    assert sha256_of(tmp_path / "other" / WEIGHTS) == sha256_of(tmp_path / "straight" / WEIGHTS)
