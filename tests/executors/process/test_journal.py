"""executors/process/journal.py: numbers go on, torn lines are cut, clocks may jump."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from executors.process.journal import Journal


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_cut_at_every_byte(tmp_path: Path) -> None:
    """A log cut at any byte keeps every whole line, and goes on with the next number."""
    path = tmp_path / "events.jsonl"
    journal = Journal(path)
    for number in range(3):
        journal.append({"type": "log.written", "text": f"a\nb \N{SNOWMAN} {number}"})
    journal.close()
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        kept = whole[:cut].count(b"\n")
        journal = Journal(path)
        journal.append({"type": "log.written", "text": "next"})
        journal.close()
        assert [e["seq"] for e in lines(path)] == list(range(1, kept + 2))
        assert path.read_bytes().startswith(whole[: whole[:cut].rfind(b"\n") + 1])


def test_long_lines_are_found(tmp_path: Path) -> None:
    """The last number is found behind lines longer than one read, and behind lines that are none."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"seq": 41}\n' + b"garbage" * 50_000 + b"\n")
    journal = Journal(path)
    journal.append({"type": "x"})
    journal.close()
    assert lines_at_end(path)["seq"] == 42


def lines_at_end(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_bytes().splitlines()[-1])
    return found


def test_clock_jumps(tmp_path: Path) -> None:
    """A wall clock set back in mid-run neither reorders nor stretches the times."""
    wall, steady = [1000.0], [50.0]
    journal = Journal(tmp_path / "e", wall=lambda: wall[0], monotonic=lambda: steady[0])
    for _ in range(3):
        journal.append({"type": "x"})
        wall[0] -= 3600
        steady[0] += 1
    journal.close()
    assert [e["time"] for e in lines(tmp_path / "e")] == [1000.0, 1001.0, 1002.0]


def test_failed_write_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write the disk refuses after half a line leaves only whole lines, and the same number is used again."""
    import os

    journal = Journal(tmp_path / "e")
    journal.append({"type": "x"})
    real = os.pwrite

    def half(descriptor: int, data: bytes, place: int) -> int:
        real(descriptor, data[:5], place)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", half)
        with pytest.raises(OSError, match="No space"):
            journal.append({"type": "y"})
    journal.append({"type": "z"})
    journal.close()
    assert [(e["seq"], e["type"]) for e in lines(tmp_path / "e")] == [(1, "x"), (2, "z")]


def test_reserve_is_given_back(tmp_path: Path) -> None:
    """Some space is kept while running, so that the end can be written on a full disk, and none after."""
    journal = Journal(tmp_path / "e")
    assert (tmp_path / ".reserve").stat().st_size > 10_000
    journal.close()
    assert not (tmp_path / ".reserve").exists()
