"""A training over several machines, on the one that runs the plan."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from executors import finetune
from executors.finetune import Config
from executors.protocol import Inputs, Machine, Stopped
from executors.training import machines
from executors.training.machines import Host, check_address, network_environment, run_folder, torchrun_arguments
from executors.training.meeting import Own, claim, open_group, read_opened, read_place
from tests.executors.conftest import Listener
from tests.executors.finetune.conftest import config, inputs

__all__ = ["config", "inputs"]

HERE = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A group of three machines that nobody has joined."""
    folder = tmp_path / "steps/01-lora/scratch/group"
    folder.mkdir(parents=True)
    opened, own = open_group(folder, 3, 1, f"{HERE}:{free_port()}", 0)
    found = Host(opened, own, tmp_path)
    yield found
    found.close()


def others(host: Host) -> list[Own]:
    """The two other machines, here."""
    found = [claim(host.opened), claim(host.opened)]
    return [own for _, own in (each for each in found if each is not None)]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"machines": 2, "processes": 2}, "2 machines must meet"),
        ({"machines": 2, "processes": 3, "rendezvous": "a:1"}, "3 processes do not spread evenly over 2 machines"),
        ({"machines": 2, "rendezvous": "a:1"}, "1 processes do not spread evenly"),
        ({"processes": 2, "rendezvous": "a:1"}, "machines is 1"),
    ],
)
def test_machines_that_cannot_meet_are_refused(
    settings: dict[str, Any], text: str, config: Callable[..., Config], inputs: Inputs
) -> None:
    """A missing or needless rendezvous, and processes that do not spread evenly, are refused before the start."""
    found = finetune.preflight(config(**settings), inputs, Machine())
    assert text in next(d.text for d in found if d.code == "machines")
    fit = config(machines=2, processes=4, rendezvous="node1.example:29500")
    assert finetune.preflight(fit, inputs, Machine()) == []


class Joining(Listener):
    """Lets the next machine join each time it is asked whether to stop."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def should_stop(self) -> bool:
        assert claim(self._host.opened) is not None
        return False


def test_the_others_are_waited_for_by_name(host: Host) -> None:
    """Whoever waits is told which machines are missing and what to type there; all learn when all are there."""
    listener = Joining(host)
    host.wait(listener)
    waiting = [(code, text) for _, code, text in listener.diagnostics]
    assert waiting == [("waiting-for-machines", "waiting for 2 more machines to join the training")]
    name = socket.gethostname()
    there, command = "of 3; type there:", f"advisor join {host._run}"
    assert listener.lines == [
        f"waiting for machines 2 and 3 {there}",
        command,
        f"machine 2 of 3 is here: {name}",
        f"waiting for machine 3 {there}",
        command,
        f"machine 3 of 3 is here: {name}",
    ]
    first = read_place(host.opened.place(0))
    assert first is not None and first.has_begun


def test_a_stop_ends_the_waiting(host: Host, stopping_listener: Listener) -> None:
    """A run that is told to stop while machines are missing stops, and nobody can join any more."""
    stopping_listener.stop_after = 0
    with pytest.raises(Stopped):
        host.wait(stopping_listener)
    host.close()
    assert read_opened(Path(host.opened.folder)) is None


def test_waiting_has_an_end(host: Host, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines that do not come end the step with how many are missing and what to do."""
    monkeypatch.setattr(machines, "WAIT_SECONDS", 0.0)
    with pytest.raises(AdvisorError, match="2 of 3 machines did not join") as raised:
        host.wait(listener)
    assert raised.value.code is ExitCode.RUN_FAILED and host.command in raised.value.hint


def test_the_place_of_one_that_left_is_free_again(host: Host, listener: Listener) -> None:
    """One that leaves while others are waited for is told of, and its place can be taken by another."""
    first, second = others(host)
    assert sorted(host._present()) == [1, 2]
    first.say(left="advisor join was ended there")
    assert sorted(host._present()) == [2]
    again = claim(host.opened)
    assert again is not None and again[0] == 1
    second.say()


def test_a_machine_that_left_or_fell_silent_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the others say of themselves is told at once; silence after its time, and at once when contact is lost."""
    first, second = others(host)
    assert host._who(60) == "" and host._who(-1).startswith("machine 2 of 3")
    second.say(left="ended by hand")
    assert host.lost() == f"machine 3 of 3 ({socket.gethostname()}): ended by hand"
    second.say(is_done=True)
    monkeypatch.setattr(machines, "SETTLE_SECONDS", 0.1)
    assert host.find_lost() == f"machine 2 of 3 ({socket.gethostname()}): it gives no sign any more"
    first.say(is_done=True)
    assert host.find_lost() == ""


def test_the_address_is_checked_before_anybody_waits() -> None:
    """A port in use, an address of another machine and an unknown name are refused, each with its reason."""
    with socket.socket() as taken:
        taken.bind((HERE, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AdvisorError) as raised:
            check_address(f"{HERE}:{port}")
        assert f"end what uses port {port}" in raised.value.hint
    check_address(f"{HERE}:{free_port()}")
    with pytest.raises(AdvisorError) as raised:
        check_address("192.0.2.1:29500")
    assert "no address of this machine" in raised.value.why
    with pytest.raises(AdvisorError) as raised:
        check_address("no-such-machine.invalid:29500")
    assert "no name that this machine knows" in raised.value.why


def test_every_machine_is_told_its_own_number(host: Host) -> None:
    """torchrun meets at the place that the plan names, and numbers the machines as they took their places."""
    words = torchrun_arguments(host.opened, 2)
    told = dict(zip(words[::2], words[1::2], strict=True))
    assert (told["--nnodes"], told["--node-rank"], told["--nproc-per-node"]) == ("3", "2", "1")
    assert f"{told['--master-addr']}:{told['--master-port']}" == host.opened.rendezvous


def test_the_network_interface_is_the_one_that_leads_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """gloo and NCCL are given the interface that reaches the first machine, unless a person named one."""
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "ib0")
    loopback = next(name for name, known in psutil.net_if_addrs().items() if HERE in {each.address for each in known})
    found = network_environment(f"{HERE}:29500")
    assert found == {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": "ib0"}
    assert network_environment("no-such-machine.invalid:29500") == {}


def test_the_run_is_found_from_its_scratch_folder(tmp_path: Path, inputs: Inputs) -> None:
    """What is to be typed elsewhere names the run, not the folder of one of its steps."""
    scratch = tmp_path / "my run" / "steps" / "01-lora" / "scratch"
    assert run_folder(inputs.model_copy(update={"scratch": str(scratch)})) == tmp_path / "my run"
