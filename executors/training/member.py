"""One process of a group: `torchrun -m executors.training.member FOLDER`. Started by `executors.training.group`."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from executors.training.group import Task

PARENT_SECONDS = 0.3


class Quiet:
    """How members other than the first speak: not at all. `should_stop` is agreed by all."""

    def __init__(self, folder: Path) -> None:
        self._stop = folder / "stop"

    def progress(self, *told: Any, **more: Any) -> None: ...

    def metric(self, *told: Any, **more: Any) -> None: ...

    def diagnostic(self, *told: Any, **more: Any) -> None: ...

    def log(self, text: str) -> None: ...

    def should_stop(self) -> bool:
        """What member 0 sees; every member must ask at the same points."""
        import torch.distributed as dist

        from executors.training.group import agreed

        return dist.is_initialized() and bool(agreed(self._stop.exists()))


def main(argv: list[str]) -> int:
    """Run this member's part. Returns the exit code."""
    folder = Path(argv[0])
    events = os.dup(1)
    os.dup2(2, 1)
    threading.Thread(target=_die_with_parent, args=(os.getppid(),), daemon=True).start()

    from executors.process.environment import prepare_environment
    from executors.training.group import REQUEST, Task, rank

    task = _here(Task.model_validate_json((folder / REQUEST).read_bytes()))
    prepare_environment(task.inputs.threads)
    try:
        _work(task, _speaker(folder, events, rank()))
    except BaseException as error:
        traceback.print_exc()
        return _tell(folder, error)
    if rank() == 0:
        _write(folder, {"status": "done"})
    return 0


def _here(task: Task) -> Task:
    """The task with the threads of this machine: it was written on the first."""
    from executors.training.group import machine

    if not machine():
        return task
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    return task.model_copy(update={"inputs": task.inputs.model_copy(update={"threads": threads})})


def _speaker(folder: Path, events: int, number: int) -> Any:
    quiet = Quiet(folder)
    if number:
        return quiet
    from executors.process.say import Channel

    channel = Channel(events)
    channel.should_stop = quiet.should_stop  # type: ignore[method-assign]
    return channel


def _work(task: Task, say: Any) -> None:
    import torch

    from executors.process.resolve import configure, resolve

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    executor = resolve(task.executor)
    executor.run(configure(executor, task.executor, task.config), task.inputs, Path(task.out), say)
    if hasattr(say, "close"):
        say.close()


def _tell(folder: Path, error: BaseException) -> int:
    """Leave what went wrong for the worker; a stop is not a failure.

    The first to fail wins, but those who only lost contact tell of what another one suffered.
    """
    from executors.process.trouble import classify
    from executors.protocol import Stopped

    if isinstance(error, Stopped):
        _write(folder, {"status": "stopped", "what": str(error)})
        return 0
    from executors.training.group import machine, outcome

    (folder / f"said.{os.environ.get('RANK', '0')}").touch()
    found, known = classify(error), outcome(folder)
    has_lost_contact = _is_of_contact(error)
    if not known or (known.get("has_lost_contact") and not has_lost_contact):
        because = f"on {socket.gethostname()}: {found.because}".rstrip(": ") if machine() else found.because
        said = {"what": found.text, "why": because, "hint": found.hint, "code": found.exit_code}
        _write(folder, {"status": "failed", **said, "has_lost_contact": has_lost_contact})
    return 1


def _is_of_contact(error: BaseException) -> bool:
    """Whether another member was not heard any more. gloo raises plain RuntimeErrors that name it."""
    from torch.distributed import DistError

    is_named = any(word in str(error).lower() for word in ("gloo", "nccl", "connection closed by peer"))
    return isinstance(error, DistError) or (isinstance(error, RuntimeError) and is_named)


def _write(folder: Path, outcome: dict[str, Any]) -> None:
    beside = folder / f"outcome.{os.environ.get('RANK', '0')}"
    beside.write_text(json.dumps(outcome))
    beside.replace(folder / "outcome.json")


def _die_with_parent(parent: int) -> None:
    """torchrun gives its processes sessions of their own: without this they would outlive a killed run."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(137)


if __name__ == "__main__":
    _CODE = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(_CODE)
