"""How machines that share a training find each other in a folder, and notice that one is gone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from executors.training.meeting import (
    LOST_SECONDS,
    Opened,
    Own,
    PlaceLost,
    Watch,
    claim,
    close_group,
    open_group,
    own_versions,
    read_opened,
    read_place,
)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(folder: Path, machines: int = 3) -> tuple[Opened, Own]:
    """A group in a folder."""
    folder.mkdir(exist_ok=True)
    return open_group(folder, machines, 1, "127.0.0.1:29500", 0)


def test_a_place_is_taken_once(tmp_path: Path) -> None:
    """Of many that claim at the same moment each place goes to one, and the others are told that there is none."""
    group, _ = opened(tmp_path / "group")
    ready, found = threading.Barrier(16), []

    def take() -> None:
        ready.wait()
        found.append(claim(group))

    threads = [threading.Thread(target=take) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = sorted(taken[0] for taken in found if taken is not None)
    assert numbers == [1, 2] and found.count(None) == 14
    assert claim(group) is None


def test_what_is_open_is_read_as_it_was_told(tmp_path: Path) -> None:
    """Others read the words of the first machine; once it closes, or a new group is opened, the old one is gone."""
    group, _ = opened(tmp_path / "group")
    assert read_opened(tmp_path / "group") == group and group.versions == own_versions()
    again, _ = opened(tmp_path / "group")
    assert again.id != group.id and not group.place(0).parent.exists()
    close_group(tmp_path / "group")
    assert read_opened(tmp_path / "group") is None


def test_life_shows_by_change_alone(tmp_path: Path) -> None:
    """A place that is written again is alive, whatever its machine's clock says; one that is not falls silent."""
    here, there = Clock(), Clock()
    there.now = 1e6
    own = Own(tmp_path / "machine-1", there)
    watch = Watch(tmp_path / "machine-1", here)
    assert watch.look() is not None and not watch.has_moved
    for second in range(int(LOST_SECONDS) + 2):
        here.now = second
        watch.look()
    assert watch.silence() > LOST_SECONDS and not watch.has_moved
    there.now += 2
    own.beat()
    assert watch.look() is not None and watch.silence() == 0 and watch.has_moved


def test_whoever_slept_gives_nobody_up(tmp_path: Path) -> None:
    """A machine that was itself suspended counts silence from when it woke, since the others may have slept as well."""
    clock = Clock()
    Own(tmp_path / "machine-1")
    watch = Watch(tmp_path / "machine-1", clock)
    watch.look()
    clock.now = 10 * LOST_SECONDS
    watch.look()
    assert watch.silence() == 0
    clock.now += 5
    watch.look()
    assert watch.silence() == 5


def test_a_place_that_was_given_up_is_not_written_again(tmp_path: Path) -> None:
    """A machine that was given up for lost hears it; it makes no file anew, and leaves another's place alone."""
    group, _ = opened(tmp_path / "group")
    found = claim(group)
    assert found is not None
    number, slow = found
    group.place(number).unlink()
    with pytest.raises(PlaceLost):
        slow.say()
    assert not group.place(number).exists()
    other = claim(group)
    assert other is not None and other[0] == number
    with pytest.raises(PlaceLost):
        slow.say(left="late")
    said = read_place(group.place(number))
    assert said is not None and not said.left
    other[1].say(left="ended there")
    said = read_place(group.place(number))
    assert said is not None and said.left == "ended there"


def test_a_place_holds_any_words(tmp_path: Path) -> None:
    """Words longer than a place, in any script, are cut so that the place can be read."""
    own = Own(tmp_path / "machine-1")
    own.say(left="\u00e4\U0001f9ea" * 500)
    said = read_place(tmp_path / "machine-1")
    assert said is not None and said.left.startswith("\u00e4\U0001f9ea")


def test_why_a_machine_left_is_said_until_it_is_seen(tmp_path: Path) -> None:
    """The first machine looks once a second: the next sign of life does not take back why its processes ended."""
    clock = Clock()
    own = Own(tmp_path / "machine-1", clock)
    own.say(left="its processes were killed")
    clock.now += 2
    own.beat()
    said = read_place(tmp_path / "machine-1")
    assert said is not None and said.beat == 2 and said.left == "its processes were killed"
