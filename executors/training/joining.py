"""The other machines of a training that several share: `advisor join` takes part in one group after another by this.

Nothing here knows the process numbers or the clock of the machine that runs the plan: a group is alive while its first
place keeps changing.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from advisor.domain.errors import AdvisorError, ExitCode
from executors.process.environment import usable_cores
from executors.process.lock import holder
from executors.process.machine import gpu_count
from executors.process.record import paths_in
from executors.training.group import FOLDER, REQUEST, Task, end
from executors.training.machines import network_environment, torchrun_arguments
from executors.training.meeting import (
    LOST_SECONDS,
    Opened,
    Own,
    Place,
    PlaceLost,
    Watch,
    claim,
    own_versions,
    read_opened,
)

POLL_SECONDS = 0.2
SIGN_SECONDS = 5.0
"""How long an open group is watched for a sign of life before it counts as left behind by a killed process."""
GRACE_SECONDS = 90.0
"""How long processes may wait for others that are gone, as over NCCL; by `LOST_SECONDS` a lost machine is named."""
Tell = Callable[[str], None]


class Groups:
    """The groups that the steps of one run open, as this machine sees them."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._seen: dict[str, Watch] = {}
        self._over: set[str] = set()

    def alive(self) -> tuple[Path, Opened] | None:
        """The folder and the words of a group that is open now and not done with."""
        return next((found for found, watch in self._open() if watch.has_moved), None)

    def is_unclear(self) -> bool:
        """Whether a group stands open of which it cannot be said yet whether anybody is behind it."""
        return any(watch.silence() < SIGN_SECONDS for _, watch in self._open())

    def leave(self, opened: Opened) -> None:
        """Be done with a group."""
        self._over.add(opened.id)

    def _open(self) -> Iterator[tuple[tuple[Path, Opened], Watch]]:
        for folder in sorted(self._run.glob(f"steps/*/scratch/{FOLDER}")):
            opened = read_opened(folder)
            if opened is None or opened.id in self._over:
                continue
            watch = self._seen.setdefault(opened.id, Watch(folder / opened.id / "machine-0"))
            watch.look()
            yield (folder, opened), watch


class First:
    """The machine that runs the plan, as it is seen from here while a group is open."""

    def __init__(self, folder: Path, opened: Opened) -> None:
        self._folder, self._run = folder, folder.parents[3]
        self._watch = Watch(opened.place(0))
        self._has_seen_lock = False

    def look(self) -> Place | None:
        """What it says; None once the group is over. Raises AdvisorError when it gives no sign any more."""
        is_held = holder(self._run) is not None
        place = self._watch.look()
        if place is None or place.left or read_opened(self._folder) is None:
            return None
        if self._has_seen_lock and not is_held:
            raise gone("nobody holds the lock of the run")
        self._has_seen_lock = is_held
        if self._watch.silence() > LOST_SECONDS:
            raise gone(f"nothing of it was seen for {LOST_SECONDS:.0f} seconds")
        return place


def take_part(folder: Path, opened: Opened, tell: Tell) -> bool:
    """Take a place in the group that is open in `folder`, run this machine's processes, return when the group is over.

    False when only this machine's place is gone, and another may be taken.

    Raises AdvisorError when this machine does not fit (8, 4 for its GPUs), when all places are taken (7), and when the
    first machine gives no sign any more (1).
    """
    check(folder, opened)
    try:
        found = claim(opened)
    except FileNotFoundError:  # it ended in this moment
        return True
    if found is None:
        raise _full(opened)
    number, own = found
    first = First(folder, opened)
    why = "advisor join was ended there"
    try:
        tell(f"joined as machine {number + 1} of {opened.machines}; waiting for all to be there")
        if _wait(own, first):
            tell(f"all are there: training in {opened.processes} processes here")
            _train(folder, opened, number, own, first, tell)
        why = ""
    except PlaceLost:
        why = ""
        if read_opened(folder) == opened:
            tell("this machine was given up, since nothing was heard of it")
            return False
    except AdvisorError as error:
        why = error.what
        raise
    finally:
        if why:
            _leave(own, why)
    return True


def check(folder: Path, opened: Opened) -> None:
    """Raises AdvisorError (8, 4) for what would make the processes of this machine fail, or train something else."""
    told = Path(opened.folder)
    if not (told.is_dir() and told.samefile(folder)):
        raise AdvisorError(
            f"the run lies at {told} on the first machine, and here at {folder.resolve()}",
            why="all machines read and write the same files under the same paths",
            hint="mount the shared folder at the same path here",
            code=ExitCode.REFUSED,
        )
    here = own_versions()
    names = sorted({*here, *opened.versions})
    other = [name for name in names if here.get(name) != opened.versions.get(name)]
    if other:
        there = opened.versions
        said = (f"{name} {there.get(name, 'missing')} there, {here.get(name, 'missing')} here" for name in other)
        raise AdvisorError(
            "this machine has other versions than the first one",
            why="; ".join(said),
            hint="install the same versions on all machines",
            code=ExitCode.REFUSED,
        )
    _check_gpus(opened)
    _check_inputs(folder)


def missing_paths(task: Task) -> list[str]:
    """Files and folders of the task that are not on this machine."""
    named = [given.path for given in task.inputs.roles.values()]
    named += [text for text in paths_in(task.config) if ":" not in text]
    return [text for text in dict.fromkeys(named) if text.startswith("/") and not Path(text).exists()]


def _check_gpus(opened: Opened) -> None:
    here = gpu_count()
    if bool(here) == bool(opened.gpus) and (not here or here >= opened.processes):
        return
    there = f"{opened.gpus} GPUs are seen" if opened.gpus else "no GPU is seen"
    raise AdvisorError(
        f"{opened.processes} processes are to train here, and {here or 'no'} GPUs are seen here",
        why=f"on the first machine {there}, and all train in the same way",
        hint="take machines alike, or hide the GPUs of all with CUDA_VISIBLE_DEVICES=-1",
        code=ExitCode.HARDWARE,
    )


def _check_inputs(folder: Path) -> None:
    from executors.models.load import find_folder

    try:
        task = Task.model_validate_json((folder / REQUEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise AdvisorError(f"{folder / REQUEST} cannot be read here", why=str(error).splitlines()[0]) from None
    missing = missing_paths(task)
    if missing:
        raise AdvisorError(
            f"{missing[0]} is not on this machine",
            why="the training reads it under this path on every machine",
            hint="put it on the shared file system, or at the same path here; then: advisor join",
            code=ExitCode.REFUSED,
        )
    for given in task.inputs.roles.values():
        if not given.path.startswith("/"):
            find_folder(given.path)  # a built-in model is imported here, one of the hub must be here already


def _wait(own: Own, first: First) -> bool:
    """Wait until all are there. False when the group ended before."""
    while (place := first.look()) is not None:
        if place.has_begun:
            return True
        own.beat()
        time.sleep(POLL_SECONDS)
    return False


def _train(folder: Path, opened: Opened, number: int, own: Own, first: First, tell: Tell) -> None:
    """Run this machine's processes to their end, and stay in the group until it is over."""
    log = folder.parents[1] / f"machine-{number + 1}.log"
    with (
        log.open("ab") as sink,
        subprocess.Popen(
            _command(folder, opened, number), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
            env=_environment(opened), start_new_session=True,
        ) as process,
    ):  # fmt: skip
        try:
            _wait_for_end(process, own, first)
        finally:
            end(process)
    if process.returncode == 0:
        tell("this machine's part of the step is done")
        own.say(is_done=True)
    else:
        tell(f"the step failed here; see {log}")
        if not _has_said(folder, opened, number):
            own.say(left="its processes ended there without a word, killed most likely")
    failed_at = time.monotonic()
    while first.look() is not None:
        if process.returncode and time.monotonic() - failed_at > GRACE_SECONDS:
            own.say(left="its processes failed there")
        elif process.returncode:
            own.beat()
        time.sleep(POLL_SECONDS)


def _wait_for_end(process: subprocess.Popen[bytes], own: Own, first: First) -> None:
    """Return when this machine's processes have ended, or the group is over and they wait for it all the same."""
    alive_at = time.monotonic()
    while process.poll() is None:
        if first.look() is not None:
            alive_at = time.monotonic()
        elif time.monotonic() - alive_at > GRACE_SECONDS:
            return
        own.beat()
        time.sleep(POLL_SECONDS)


def _command(folder: Path, opened: Opened, number: int) -> list[str]:
    found = [sys.executable, "-P", "-m", "executors.training.agent", str(os.getpid())]
    return [*found, *torchrun_arguments(opened, number), "-m", "executors.training.member", str(folder)]


def _environment(opened: Opened) -> dict[str, str]:
    threads = max(1, usable_cores() // opened.processes)
    return {**os.environ, "OMP_NUM_THREADS": str(threads), **network_environment(opened.rendezvous)}


def _has_said(folder: Path, opened: Opened, number: int) -> bool:
    """Whether a process of this machine left word of why it ended."""
    own = range(number * opened.processes, (number + 1) * opened.processes)
    return any((folder / f"said.{rank}").exists() for rank in own)


def gone(why: str) -> AdvisorError:
    """The machine that runs the plan does not any more."""
    hint = "advisor resume on the first machine, then advisor join here: it goes on from the last checkpoint"
    what = "nobody runs the plan on the first machine"
    return AdvisorError(what, why=why, hint=hint, code=ExitCode.RUN_FAILED)


def _leave(own: Own, why: str) -> None:
    """Tell the first machine, which gives the place to another while it still waits."""
    with contextlib.suppress(PlaceLost, OSError):
        own.say(left=why)


def _full(opened: Opened) -> AdvisorError:
    hosts = [place.host for n in range(opened.machines) if (place := Watch(opened.place(n)).look()) is not None]
    return AdvisorError(
        f"all {opened.machines} places of this training are taken",
        why=f"by {', '.join(hosts)}",
        hint="set machines of the plan higher, or end advisor join on one of them",
        code=ExitCode.ALREADY_ACTIVE,
    )
