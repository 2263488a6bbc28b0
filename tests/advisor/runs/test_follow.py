"""advisor/runs/follow.py and state.py: reading while it is written, torn at any byte, after any end."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from advisor.runs.follow import Follower, follow, tail
from advisor.runs.prepare import RunLock
from advisor.runs.state import load_state


def line(seq: int, kind: str = "log.written", **fields: Any) -> bytes:
    return json.dumps({"seq": seq, "time": 1.0 + seq, "type": kind, **fields}).encode() + b"\n"


STARTED = line(1, "run.started", version="1.0", steps=["baseline", "lora"])


def test_torn_at_every_byte(tmp_path: Path) -> None:
    """A log cut at any byte is readable: its whole lines come, the torn one comes once it is whole."""
    whole = STARTED + line(2, text="\N{SNOWMAN}") + line(3, "run.finished", status="done")
    path = tmp_path / "events.jsonl"
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        first, offset = tail(tmp_path)
        path.write_bytes(whole)
        rest, _ = tail(tmp_path, offset)
        assert [event.seq for event in (*first, *rest)] == [1, 2, 3]
        path.write_bytes(whole[:cut])
        load_state(tmp_path)


def test_unknown_is_passed_over(tmp_path: Path) -> None:
    """Unknown fields, unknown types and garbage do not stop a reader; an unknown major version does."""
    (tmp_path / "events.jsonl").write_bytes(
        STARTED + line(2, "step.danced") + b"\xff\xfe garbage\n" + line(3, text="x", news=[1])
    )
    assert [event.seq for event in tail(tmp_path)[0]] == [1, 3]
    (tmp_path / "events.jsonl").write_bytes(line(1, "run.started", version="2.0"))
    with pytest.raises(AdvisorError, match=r"version 2\.0"):
        tail(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    """A run without events is pending, and following it ends at once."""
    assert tail(tmp_path, 7) == ([], 7)
    assert list(follow(tmp_path)) == []
    assert load_state(tmp_path).status == "pending"


def test_interrupted(tmp_path: Path) -> None:
    """A run that began, did not finish, and that nobody holds, is interrupted; held, it is running."""
    (tmp_path / "events.jsonl").write_bytes(STARTED + line(2, "step.started", step=1, technique="lora"))
    state = load_state(tmp_path)
    assert (state.status, state.steps[1].status, state.current) == ("interrupted", "stopped", None)
    lock = RunLock.acquire(tmp_path)
    assert load_state(tmp_path).status == "running"
    lock.release()


def test_follow_ends_when_the_holder_dies(tmp_path: Path) -> None:
    """A follower of a run whose supervisor disappears ends, with everything that was written."""
    (tmp_path / "events.jsonl").write_bytes(STARTED)
    lock = RunLock.acquire(tmp_path)

    def die_later() -> None:
        with (tmp_path / "events.jsonl").open("ab") as file:
            file.write(line(2, text="last"))
        lock.release()

    timer = threading.Timer(0.3, die_later)
    timer.start()
    assert [event.seq for event in follow(tmp_path, poll=0.02)] == [1, 2]
    timer.join()


def test_follow_passes_an_earlier_end(tmp_path: Path) -> None:
    """The end of an earlier attempt does not end following the one that goes on; its own end does, lock or not."""
    stopped = line(2, "run.finished", status="stopped")
    again = line(3, "run.started", version="1.0", steps=["baseline", "lora"], resumed=True)
    (tmp_path / "events.jsonl").write_bytes(STARTED + stopped + again)
    lock = RunLock.acquire(tmp_path)

    def finish() -> None:
        with (tmp_path / "events.jsonl").open("ab") as file:
            file.write(line(4, "run.finished", status="done"))

    timer = threading.Timer(0.2, finish)
    timer.start()
    assert [event.seq for event in follow(tmp_path, poll=0.02)] == [1, 2, 3, 4]
    timer.join()
    lock.release()


def test_follower_goes_on_where_it_was(tmp_path: Path) -> None:
    """Left in the middle and entered again, a follower repeats nothing it gave in a finished block."""
    (tmp_path / "events.jsonl").write_bytes(STARTED + line(2, text="a"))
    follower = Follower(tmp_path)
    assert [event.seq for event in follower.events()] == [1, 2]
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(line(3, text="b"))
    assert [event.seq for event in follower.events()] == [3]


def test_shorter_file_is_read_again(tmp_path: Path) -> None:
    """A log replaced by a shorter one is read from its start."""
    (tmp_path / "events.jsonl").write_bytes(STARTED)
    assert [event.seq for event in tail(tmp_path, 10_000)[0]] == [1]
