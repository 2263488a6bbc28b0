"""The machine that runs the plan, in a training that several machines share: it waits for the others and watches them.

torchrun meets at a fixed address with fixed numbers, so that the process that speaks and writes is certainly on this
machine: the run's folder and its events stay with the one supervisor that owns them.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, ExitCode, Severity
from advisor.domain.meeting import host_and_port
from executors.process.machine import gpu_count
from executors.protocol import Inputs, Say, Stopped
from executors.training.meeting import (
    BEAT_SECONDS,
    LOST_SECONDS,
    Opened,
    Own,
    PlaceLost,
    Watch,
    close_group,
    open_group,
)

WAIT_SECONDS = 1800.0
"""How long the others are waited for: time to log in on each, and no job that nobody joins holds a node all night."""
REMIND_SECONDS = 60.0
POLL_SECONDS = 0.2
SETTLE_SECONDS = 10.0
"""After contact is lost: how long the places are watched to find out which machine is gone."""


class Host:
    """A group of machines, on the machine that opened it."""

    def __init__(self, opened: Opened, own: Own, run: Path) -> None:
        self.opened, self._own, self._run = opened, own, run
        self._others = {number: Watch(opened.place(number)) for number in range(1, opened.machines)}
        self._looked = 0.0

    @property
    def command(self) -> str:
        """What is to be typed on each of the other machines."""
        return f"advisor join {shlex.quote(str(self._run))}"

    def wait(self, say: Say) -> None:
        """Return when all machines are here. Raises Stopped, and AdvisorError when some do not come."""
        began = told_at = time.monotonic()
        here: dict[int, str] = {}
        many = self.opened.machines - 1
        text = f"waiting for {many} more machine{'s' if many > 1 else ''} to join the training"
        say.diagnostic(Severity.INFO, "waiting-for-machines", text, hint=f"on each of them: {self.command}")
        self._tell(say, {}, {})
        while len(here) < many:
            if say.should_stop():
                raise Stopped("stopped while waiting for the other machines")
            now = time.monotonic()
            if now - began > WAIT_SECONDS:
                raise self._nobody_came(here)
            self.beat()
            found = self._present()
            if found != here or now - told_at > REMIND_SECONDS:
                self._tell(say, here, found)
                here, told_at = found, now
            time.sleep(POLL_SECONDS)
        self._own.say(has_begun=True)

    def beat(self) -> None:
        """Show that this machine is still here."""
        with contextlib.suppress(PlaceLost, OSError):
            self._own.beat()

    def lost(self) -> str:
        """Which machine is gone, and why as far as it said so; empty while all are here."""
        self.beat()
        if time.monotonic() - self._looked < BEAT_SECONDS:
            return ""
        self._looked = time.monotonic()
        return self._who(LOST_SECONDS)

    def find_lost(self) -> str:
        """The same once contact is lost: which machine it was shows within seconds."""
        until = time.monotonic() + SETTLE_SECONDS
        known = {number: (watch.look(), watch.silence())[0] for number, watch in self._others.items()}
        while time.monotonic() < until:
            self.beat()
            if said := self._who(LOST_SECONDS):
                return said
            time.sleep(POLL_SECONDS)
        for number, watch in self._others.items():
            place = watch.look()
            if place is None or (place == known[number] and not place.is_done):
                return f"{self._name(number, watch)}: it gives no sign any more"
        return ""

    def failure(self, lost: str, said: str) -> AdvisorError:
        """The end of a training one of whose machines is gone. `lost`: which, if known; `said`: the last words."""
        return AdvisorError(
            f"the training lost {lost}" if lost else "the machines that shared the training lost each other",
            why=f"it needs all {self.opened.machines} machines" if lost else said,
            hint=f"advisor resume {shlex.quote(str(self._run))}, and on each other machine {self.command}: "
            "it goes on from the last checkpoint",
            code=ExitCode.RUN_FAILED,
        )

    def close(self) -> None:
        """Let nobody join any more, and tell those who are here."""
        close_group(Path(self.opened.folder))
        with contextlib.suppress(PlaceLost, OSError):
            self._own.say(left="the training of this step has ended there")

    def _present(self) -> dict[int, str]:
        """Number and host of those who hold a place; the place of one that fell silent or left is freed."""
        found = {}
        for number, watch in self._others.items():
            place = watch.look()
            if place is not None and (place.left or watch.silence() > LOST_SECONDS):
                self.opened.place(number).unlink(missing_ok=True)
            elif place is not None:
                found[number] = place.host
        return found

    def _tell(self, say: Say, before: dict[int, str], now: dict[int, str]) -> None:
        for number in sorted(now.keys() - before.keys()):
            say.log(f"machine {number + 1} of {self.opened.machines} is here: {now[number]}")
        for number in sorted(before.keys() - now.keys()):
            say.log(f"machine {number + 1} of {self.opened.machines} is gone again: {before[number]}")
        missing = [str(number + 1) for number in self._others if number not in now]
        if missing:
            which = f"machine{'s' if len(missing) > 1 else ''} {' and '.join(missing)}"
            say.log(f"waiting for {which} of {self.opened.machines}; type there:")
            say.log(self.command)  # a line of its own: panels cut long ones

    def _nobody_came(self, here: dict[int, str]) -> AdvisorError:
        missing = self.opened.machines - 1 - len(here)
        return AdvisorError(
            f"{missing} of {self.opened.machines} machines did not join within {WAIT_SECONDS / 60:.0f} minutes",
            why="the training begins when all are there",
            hint=f"advisor resume {shlex.quote(str(self._run))}, and on each other machine {self.command}",
            code=ExitCode.RUN_FAILED,
        )

    def _who(self, patience: float) -> str:
        for number, watch in self._others.items():
            place = watch.look()
            if place is not None and place.left:
                return f"{self._name(number, watch)}: {place.left}"
            if (place is None or not place.is_done) and watch.silence() > patience:
                return f"{self._name(number, watch)}: it has given no sign for {patience:.0f} seconds"
        return ""

    def _name(self, number: int, watch: Watch) -> str:
        host = f" ({watch.place.host})" if watch.place is not None else ""
        return f"machine {number + 1} of {self.opened.machines}{host}"


@contextlib.contextmanager
def hosting(config: Any, folder: Path, inputs: Inputs) -> Iterator[Host | None]:
    """The group of a training that several machines share, open until it ends; None for one machine.

    Raises AdvisorError when the others could not reach this machine where the plan says.
    """
    if config.machines == 1:
        yield None
        return
    check_address(config.rendezvous)
    here = config.processes // config.machines
    opened, own = open_group(folder.resolve(), config.machines, here, config.rendezvous, gpu_count())
    host = Host(opened, own, run_folder(inputs))
    try:
        yield host
    finally:
        host.close()


def run_folder(inputs: Inputs) -> Path:
    """The run that a step's scratch folder lies in: `RUN/steps/NN-technique/scratch`."""
    scratch = Path(inputs.scratch).resolve()
    return scratch.parents[2] if scratch.parents[1].name == "steps" else scratch


def torchrun_arguments(opened: Opened, number: int) -> list[str]:
    """What torchrun is told on machine `number`."""
    host, port = host_and_port(opened.rendezvous)
    found = ["--nnodes", str(opened.machines), "--node-rank", str(number), "--rdzv-id", opened.id]
    found += ["--master-addr", host, "--master-port", str(port), "--nproc-per-node", str(opened.processes)]
    return [*found, "--max-restarts", "0"]


def network_environment(rendezvous: str) -> dict[str, str]:
    """The network interface by which this machine reaches the first one, for gloo and NCCL; what is set already stays.

    By itself gloo takes the address of the machine's own name, which on many machines is one that only they can reach.
    """
    import psutil

    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(host_and_port(rendezvous))  # sends nothing: the system only chooses a route
            address = probe.getsockname()[0]
    except OSError:
        return {}
    names = [name for name, known in psutil.net_if_addrs().items() if any(a.address == address for a in known)]
    wanted = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME") if names else ()
    return {name: os.environ.get(name, names[0]) for name in wanted}


def check_address(rendezvous: str) -> None:
    """Raises AdvisorError unless the address is this machine's and its port is free."""
    host, port = host_and_port(rendezvous)
    why, hint = "", "set rendezvous to the host name or address of this machine that the others reach"
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except socket.gaierror:
        why = f"{host} is no name that this machine knows"
    except OSError as error:
        why = error.strerror or str(error)
        if _is_own(host):
            hint = f"end what uses port {port}, or set rendezvous to another port"
        else:
            why = f"{host} is no address of this machine, and the run must be started on the first one"
    if why:
        again = "in plan.yaml of the run, then: advisor resume --force"
        raise AdvisorError(f"the machines cannot meet at {rendezvous}", why=why, hint=f"{hint} ({again})")


def _is_own(host: str) -> bool:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True
