"""The other machines of a training that several share; here all of them are this one, over its loopback interface."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from executors import finetune
from executors.finetune import Config
from executors.protocol import Inputs
from executors.training import joining, machines
from executors.training.group import REQUEST, Task
from executors.training.joining import Groups, check, missing_paths, take_part
from executors.training.meeting import OPEN, Opened, Own, open_group, read_place
from tests.executors.conftest import Listener
from tests.executors.finetune.conftest import config, inputs
from tests.executors.training.test_machines import HERE, free_port
from tests.toy_runs import wait_for

__all__ = ["config", "inputs"]


@pytest.fixture
def placed(inputs: Inputs, tmp_path: Path) -> Inputs:
    """Inputs whose scratch folder lies where a run has it."""
    scratch = tmp_path / "run/steps/01-lora/scratch"
    scratch.mkdir(parents=True)
    return inputs.model_copy(update={"scratch": str(scratch)})


@pytest.fixture
def group(placed: Inputs, config: Callable[..., Config]) -> Iterator[tuple[Path, Opened, Own]]:
    """A group of two that is open, as the first machine has left it: folder, words and its place."""
    folder = Path(placed.scratch) / "group"
    folder.mkdir()
    task = Task(executor="finetune", config=config().model_dump(mode="json"), inputs=placed, out="/nowhere")
    (folder / REQUEST).write_text(task.model_dump_json())
    opened, own = open_group(folder, 2, 1, f"{HERE}:{free_port()}", 0)
    yield folder, opened, own


def change(place: Path, **values: Any) -> Opened:
    """The group as a first machine of another kind would have told it."""
    told = {**json.loads((place / OPEN).read_text()), **values}
    (place / OPEN).write_text(json.dumps(told))
    return Opened.model_validate(told)


def test_a_machine_that_fits_is_let_in(group: tuple[Path, Opened, Own]) -> None:
    """Same path, same versions, everything there: nothing is said against it."""
    folder, opened, _ = group
    check(folder, opened)


def test_another_path_is_refused(group: tuple[Path, Opened, Own], tmp_path: Path) -> None:
    """A run that lies elsewhere on the first machine is refused, with both places and what to do."""
    folder, _, _ = group
    for told in (tmp_path / "elsewhere", tmp_path):
        with pytest.raises(AdvisorError, match="the run lies at") as raised:
            check(folder, change(folder, folder=str(told)))
        assert raised.value.code is ExitCode.REFUSED and str(folder) in raised.value.what
        assert "mount" in raised.value.hint


def test_other_versions_are_refused(group: tuple[Path, Opened, Own]) -> None:
    """Another version of this program, or of a library, is named with both versions."""
    folder, opened, _ = group
    others = {**opened.versions, "advisor": "9.9", "torch": "1.0"}
    with pytest.raises(AdvisorError, match="other versions") as raised:
        check(folder, change(folder, versions=others))
    assert raised.value.code is ExitCode.REFUSED
    assert "advisor 9.9 there" in raised.value.why and "torch 1.0 there" in raised.value.why


def test_other_hardware_is_refused(group: tuple[Path, Opened, Own], monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of one group train on GPUs all or not at all, and each has one of its own."""
    folder, _, _ = group
    with pytest.raises(AdvisorError) as raised:
        check(folder, change(folder, gpus=4))
    assert raised.value.code is ExitCode.HARDWARE
    monkeypatch.setattr(joining, "gpu_count", lambda: 2)
    check(folder, change(folder, gpus=4, processes=2))
    with pytest.raises(AdvisorError, match="4 processes are to train here, and 2 GPUs"):
        check(folder, change(folder, gpus=4, processes=4))


def test_inputs_that_are_not_here_are_refused(group: tuple[Path, Opened, Own], tmp_path: Path) -> None:
    """A model or data file that only the first machine has is named before any process starts."""
    folder, opened, _ = group
    task = Task.model_validate_json((folder / REQUEST).read_bytes())
    assert missing_paths(task) == []
    lost = {**task.config, "data": {**task.config["data"], "path": str(tmp_path / "rows-of-the-first.jsonl")}}
    (folder / REQUEST).write_text(task.model_copy(update={"config": lost}).model_dump_json())
    with pytest.raises(AdvisorError, match=r"rows-of-the-first\.jsonl is not on this machine") as raised:
        check(folder, opened)
    assert raised.value.code is ExitCode.REFUSED
    builtin = {**task.config, "data": {**task.config["data"], "path": "builtin:stdlib"}}
    assert missing_paths(task.model_copy(update={"config": builtin})) == []


def test_a_third_machine_is_told_that_all_places_are_taken(group: tuple[Path, Opened, Own]) -> None:
    """Two machines were asked for: the third is refused, and hears who is there."""
    folder, opened, _ = group
    Own(opened.place(1))
    with pytest.raises(AdvisorError, match="all 2 places of this training are taken") as raised:
        take_part(folder, opened, lambda text: None)
    assert raised.value.code is ExitCode.ALREADY_ACTIVE


def test_a_group_left_by_a_killed_process_is_not_joined(group: tuple[Path, Opened, Own], tmp_path: Path) -> None:
    """What stands open counts once its first machine shows a sign of life, and not before."""
    folder, opened, own = group
    groups = Groups(tmp_path / "run")
    assert groups.alive() is None and groups.is_unclear()
    own.say()
    assert groups.alive() == (folder, opened)
    groups.leave(opened)
    assert groups.alive() is None and not groups.is_unclear()


def test_whoever_waits_hears_that_the_group_has_ended(group: tuple[Path, Opened, Own]) -> None:
    """A first machine that stops while others are missing lets go of those that are here."""
    folder, opened, own = group
    said: list[str] = []
    waiting = threading.Thread(target=take_part, args=(folder, opened, said.append))
    waiting.start()
    wait_for(lambda: said)
    own.say(left="stopped")
    waiting.join(10)
    assert not waiting.is_alive() and said == ["joined as machine 2 of 2; waiting for all to be there"]


HOLD = """
import sys, time
from pathlib import Path
from executors.process.lock import RunLock
from executors.training.meeting import open_group
lock = RunLock.acquire(Path(sys.argv[1]))
opened, own = open_group(Path(sys.argv[2]), 2, 1, "127.0.0.1:1", 0)
print(opened.model_dump_json(), flush=True)
while True:
    own.beat()
    time.sleep(0.05)
"""


@pytest.mark.process
def test_a_killed_first_machine_is_noticed_while_waiting(group: tuple[Path, Opened, Own], tmp_path: Path) -> None:
    """Where the run's lock reaches, a machine that waits knows at once that the first one is gone, and what to do."""
    folder, run = group[0], tmp_path / "run"
    command = [sys.executable, "-c", HOLD, str(run), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        opened = Opened.model_validate_json(first.stdout.readline())
        killer = threading.Timer(1.5, first.kill)
        killer.start()
        began = time.monotonic()
        with pytest.raises(AdvisorError, match="nobody runs the plan") as raised:
            take_part(folder, opened, lambda text: None)
        assert time.monotonic() - began < joining.LOST_SECONDS / 2
    assert raised.value.code is ExitCode.RUN_FAILED and "advisor resume" in raised.value.hint


@pytest.mark.process
@pytest.mark.parametrize("script", ["import time; time.sleep(60)", "import sys; sys.exit(3)"])
def test_nobody_waits_for_members_that_are_gone(
    script: str, group: tuple[Path, Opened, Own], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes that wait on for a group that is over are ended; a machine whose own have failed says so, should
    the others not notice."""
    folder, opened, own = group
    monkeypatch.setattr(joining, "GRACE_SECONDS", 0.5)
    monkeypatch.setattr(joining, "_command", lambda *told: [sys.executable, "-c", script])
    (folder / "said.1").touch()
    said: list[str] = []
    working = threading.Thread(target=take_part, args=(folder, opened, said.append))
    working.start()
    wait_for(lambda: said)
    own.say(has_begun=True)
    wait_for(lambda: any("training in" in text for text in said))
    if "exit" in script:
        place = wait_for(lambda: (found := read_place(opened.place(1))) is not None and found.left and found)
        assert place.left == "its processes failed there"
    own.say(left="ended")
    working.join(20)
    assert not working.is_alive()
    assert said[-1].startswith("the step failed here")


def shared(settings: Callable[..., Config], **changes: Any) -> Config:
    """Settings of a training that two machines share."""
    meeting = {"machines": 2, "processes": 2, "rendezvous": f"{HERE}:{free_port()}"}
    return settings(max_steps=6, precision="fp32", learning_rate=1e-3, **meeting, **changes)


def other_machine(run: Path, said: list[str]) -> threading.Thread:
    """Takes part in the next group of the run."""

    def work() -> None:
        groups = Groups(run)
        take_part(*wait_for(groups.alive, 60), said.append)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize(("method", "sharding"), [("lora", "ddp"), ("full", "zero3")])
def test_two_machines_learn_what_one_learns(
    method: str, sharding: str, config: Callable[..., Config], placed: Inputs, tmp_path: Path, listener: Listener
) -> None:
    """Two torchruns of one process each report the losses of one process at the same rows per step; the first machine
    alone speaks and writes."""
    alone = placed.model_copy(update={"scratch": str(tmp_path / "alone")})
    finetune.run(
        config(method=method, max_steps=6, precision="fp32", learning_rate=1e-3), alone, tmp_path / "one", listener
    )
    one = dict(listener.metrics)
    said: list[str] = []
    joined = other_machine(tmp_path / "run", said)
    finetune.run(shared(config, method=method, sharding=sharding), placed, tmp_path / "two", listener)
    joined.join(30)
    assert not joined.is_alive() and said[-1] == "this machine's part of the step is done"
    for name in ("loss", "held_out_loss"):
        assert listener.metrics[name] == pytest.approx(one[name], rel=1e-4)
    wrapper = "DistributedDataParallel" if sharding == "ddp" else "FSDPModule"
    assert f"the model is wrapped by {wrapper} in 2 processes" in listener.lines
    assert {path.name for path in (tmp_path / "two").iterdir()} == {path.name for path in (tmp_path / "one").iterdir()}
    assert not (Path(placed.scratch) / "group" / OPEN).exists()


class Watching(Listener):
    """Does something once, after the first step."""

    def __init__(self, act: Callable[[], Any]) -> None:
        super().__init__()
        self._act: Callable[[], Any] | None = act

    def progress(self, done: float, total: float | None, unit: Any, what: str = "") -> None:
        super().progress(done, total, unit, what)
        if unit == "steps" and done >= 2 and self._act is not None:
            self._act()
            self._act = None


@pytest.mark.slow
@pytest.mark.process
def test_a_killed_machine_ends_the_training_clearly_and_it_goes_on(
    config: Callable[..., Config], placed: Inputs, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When another machine is killed the step fails, names it and leaves no process; joined again, the training goes on
    from its checkpoint."""
    monkeypatch.setattr(machines, "SETTLE_SECONDS", 3.0)
    run = tmp_path / "run"
    (run / "plan.yaml").write_text(PLAN)
    join = [sys.executable, "-m", "advisor", "join", str(run)]
    other = subprocess.Popen(join, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    settings = shared(config, save_steps=1).model_copy(update={"max_steps": 40})
    with pytest.raises(AdvisorError, match=r"the training lost machine 2 of 2 \(.*\)") as raised:
        finetune.run(settings, placed, tmp_path / "out", Watching(other.kill))
    assert other.wait(5) == -9
    assert raised.value.code is ExitCode.RUN_FAILED
    assert f"advisor join {run}" in raised.value.hint
    wait_for(lambda: not [p for p in psutil.process_iter() if str(run) in " ".join(_words(p))])
    joined = other_machine(run, [])
    finetune.run(settings.model_copy(update={"save_steps": 40}), placed, tmp_path / "out", listener)
    joined.join(30)
    assert any(line.startswith("going on after step") for line in listener.lines)
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


PLAN = """
name: shared
model: {kind: causal-lm, path: "builtin:smollm2-135m-instruct"}
steps:
- {number: 1, technique: lora, family: finetune, executor: finetune, produces: adapter, inputs: {model: base},
   config: {machines: 2, processes: 2, rendezvous: "127.0.0.1:29500"}}
"""
