"""executors/process/say.py: rate-limited, nothing lost at the end, NaN as null."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from executors.process.say import Channel


class Pipe:
    """A channel and what came out of it."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.channel = Channel(writer)

    def events(self) -> list[dict[str, Any]]:
        try:
            return [json.loads(line) for line in os.read(self.reader, 1 << 20).splitlines()]
        except BlockingIOError:
            return []


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    found = Pipe()
    yield found
    found.channel.close()


def test_burst_is_thinned(pipe: Pipe) -> None:
    """Of a burst of one name the first is sent at once and the last soon after, without another call."""
    for number in range(1000):
        pipe.channel.metric("loss", number, at=number)
    time.sleep(0.2)
    values = [e["value"] for e in pipe.events()]
    assert values[0] == 0
    assert values[-1] == 999
    assert len(values) < 20


def test_names_do_not_hold_each_other_back(pipe: Pipe) -> None:
    """Two metrics and a progress in one moment are all sent."""
    pipe.channel.metric("loss", 1.0)
    pipe.channel.metric("learning_rate", 2.0)
    pipe.channel.progress(1, 2, "steps")
    assert len(pipe.events()) == 3


def test_order_is_kept(pipe: Pipe) -> None:
    """What was held back is sent before a later log line or diagnostic."""
    for number in range(5):
        pipe.channel.progress(number, 5, "steps")
    pipe.channel.log("after")
    types = [(e["type"], e.get("done")) for e in pipe.events()]
    assert types[-2:] == [("step.progress", 4.0), ("log.written", None)]


def test_close_sends_what_is_held(pipe: Pipe) -> None:
    """Nothing is lost at the end."""
    pipe.channel.progress(1, 2, "steps")
    pipe.channel.progress(2, 2, "steps")
    pipe.channel.close()
    assert [e["done"] for e in pipe.events()] == [1.0, 2.0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_number_is_null(pipe: Pipe, value: float) -> None:
    """NaN and infinity travel as null: the line stays JSON."""
    pipe.channel.metric("loss", value, at=1)
    assert pipe.events()[0]["value"] is None


def test_line_breaks_stay_in_one_line(pipe: Pipe) -> None:
    """A text with line breaks is one event."""
    pipe.channel.log("a\nb\r\n")
    assert [e["text"] for e in pipe.events()] == ["a\nb\r\n"]
