"""Several machines that share one training: how they meet in the run's folder, and see that all of them still live.

The machine that runs the plan opens the group: `open.json` says what the others need. Each of them claims a place, a
file that only one can make. From then on every machine keeps writing into its place, so that the others see, without
comparing clocks or process numbers, that it is still there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from advisor import __version__
from advisor.domain.base import Frozen
from executors.artifact import write_durably
from executors.process.record import code_hash
from executors.process.request import PACKAGE

OPEN = "open.json"
BEAT_SECONDS = 1.0
LOST_SECONDS = 60.0
"""Silence after which a machine is given up: a network file system may show late what another machine wrote."""
PLACE_BYTES = 1024
ASLEEP_SECONDS = 10.0
"""Between two looks: a machine that did not run itself meanwhile knows nothing of that time."""
_LONGEST_TEXT = 160
SAME_EVERYWHERE = ("torch", "transformers", "trl", "peft", "accelerate")
"""Libraries that must have one version on all machines: processes of two would not speak alike."""


class Opened(Frozen):
    """What the machine that runs the plan tells the others."""

    id: str
    folder: str
    """Absolute, where that machine sees it."""
    machines: int
    processes: int
    """On each machine."""
    rendezvous: str
    gpus: int
    """That the first machine sees; 0: it trains on the CPU."""
    versions: dict[str, str]

    def place(self, number: int) -> Path:
        """The place of a machine; 0 is the one that runs the plan."""
        return Path(self.folder) / self.id / f"machine-{number}"


class Place(Frozen):
    """What a machine says of itself, again and again."""

    host: str
    token: str
    beat: int = 0
    has_begun: bool = False
    """All are here, said by the first."""
    is_done: bool = False
    """Its processes have ended as they should."""
    left: str = ""
    """Why it is no longer part of the group."""


class PlaceLost(Exception):
    """The place was given up, or given to another, by the machine that runs the plan."""


class Own:
    """The place of this machine."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Takes the place. Raises FileExistsError when another has it."""
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        self.path, self._clock = path, clock
        self._said = Place(host=socket.gethostname()[:_LONGEST_TEXT], token=secrets.token_hex(8))
        self._at = clock()
        self._write()

    def beat(self) -> None:
        """Say, once a second, that this machine is here. Raises PlaceLost."""
        if self._clock() - self._at >= BEAT_SECONDS:
            self.say()

    def say(self, *, has_begun: bool | None = None, is_done: bool = False, left: str = "") -> None:
        """Say how it stands, now; why it left is said from then on. Raises PlaceLost."""
        kept = read_place(self.path)
        if not self.path.exists() or (kept is not None and kept.token != self._said.token):
            raise PlaceLost
        change: dict[str, object] = {"beat": self._said.beat + 1, "is_done": is_done}
        change["left"] = "" if is_done else self._said.left or left[:_LONGEST_TEXT]
        change["has_begun"] = self._said.has_begun if has_begun is None else has_begun
        self._said = self._said.model_copy(update=change)
        self._write()

    def _write(self) -> None:
        """In one write of one length, so that nobody reads half of it. Never makes the file: it may be removed."""
        self._at = self._clock()
        data = self._said.model_dump_json().encode().ljust(PLACE_BYTES)
        try:
            descriptor = os.open(self.path, os.O_WRONLY)
        except FileNotFoundError:
            raise PlaceLost from None
        try:
            os.pwrite(descriptor, data, 0)
        finally:
            os.close(descriptor)


class Watch:
    """Another machine's place, and for how long it has said the same: by this machine's clock alone."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._since = self._looked = clock()
        self.place: Place | None = None
        self.has_moved = False

    def look(self) -> Place | None:
        """What it says now; None once it is not there."""
        found, now = read_place(self._path), self._clock()
        was_asleep, self._looked = now - self._looked > ASLEEP_SECONDS, now
        if found != self.place:
            self.has_moved = self.place is not None and found is not None
        if found != self.place or was_asleep:
            self._since, self.place = now, found
        return found

    def silence(self) -> float:
        """Seconds without a change, as of the last look."""
        return self._clock() - self._since


def read_place(path: Path) -> Place | None:
    """What a machine said last; None when there is no such place, or it has said nothing yet."""
    try:
        return Place.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def open_group(folder: Path, machines: int, processes: int, rendezvous: str, gpus: int) -> tuple[Opened, Own]:
    """Open a group in `folder` under an id of its own; what earlier ones left there goes. Raises OSError."""
    close_group(folder)
    for old in folder.iterdir():
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
    opened = Opened(
        id=secrets.token_hex(8),
        folder=str(folder),
        machines=machines,
        processes=processes,
        rendezvous=rendezvous,
        gpus=gpus,
        versions=own_versions(),
    )
    (folder / opened.id).mkdir()
    own = Own(opened.place(0))
    write_durably(folder / OPEN, opened.model_dump_json().encode() + b"\n")
    return opened, own


def close_group(folder: Path) -> None:
    """Nobody may join any more."""
    with contextlib.suppress(OSError):
        (folder / OPEN).unlink()


def read_opened(folder: Path) -> Opened | None:
    """The group that is open in `folder`, or that a killed process left open; None without one."""
    try:
        return Opened.model_validate_json((folder / OPEN).read_bytes())
    except (OSError, ValidationError):
        return None


def claim(opened: Opened) -> tuple[int, Own] | None:
    """The number of a free place, which is this machine's from now on; None when there is none."""
    for number in range(1, opened.machines):
        with contextlib.suppress(FileExistsError):
            return number, Own(opened.place(number))
    return None


def own_versions() -> dict[str, str]:
    """This program's version and code, and the versions of the libraries that must be alike."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"advisor": __version__, "advisor code": code_hash(PACKAGE)[:12]}
    for name in SAME_EVERYWHERE:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
