"""Tests of executors.activations.text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.plan import DataSpec
from advisor.domain.words import DataKind
from executors.activations.text import CalibrationText, calibration_ids, windows


@pytest.mark.parametrize(("length", "sequences"), [(40, 4), (41, 4), (57, 4), (1000, 7), (10, 1)])
def test_windows_are_spread_without_overlap(length: int, sequences: int) -> None:
    """All windows are full, ordered and apart, and with more than one the last ends where the text ends."""
    found = windows(range(length), sequences, 10)
    assert [len(window) for window in found] == [10] * sequences
    flat = [token for window in found for token in window]
    assert flat == sorted(set(flat))
    assert flat[0] == 0
    assert sequences == 1 or flat[-1] == length - 1


def test_short_text_gives_fewer_windows_and_too_short_text_an_error() -> None:
    """35 tokens fill three windows of ten; nine fill none and are refused."""
    assert len(windows(range(35), 8, 10)) == 3
    with pytest.raises(AdvisorError, match="9 tokens, fewer than one sequence of 10"):
        windows(range(9), 8, 10)


@pytest.mark.parametrize("kind", [DataKind.INSTRUCTIONS, DataKind.TEXT])
def test_the_builtin_data_calibrates(tiny_model: Path, listener: Any, kind: DataKind) -> None:
    """Conversations and texts alike become token ids of the asked shape, the same each time, without a warning."""
    data = DataSpec(path="builtin:stdlib", kind=kind)
    ids = calibration_ids(data, tiny_model, 8, 32, listener)
    assert ids.shape == (8, 32)
    assert int(ids.min()) >= 0 and int(ids.max()) < 512
    assert (calibration_ids(data, tiny_model, 8, 32, listener) == ids).all()
    assert listener.diagnostics == []


def _rows(folder: Path) -> DataSpec:
    file = folder / "text.jsonl"
    file.write_text("".join(f'{{"text": "Row {n}: the list of items in the order given."}}\n' for n in range(40)))
    return DataSpec(path=str(file), kind=DataKind.TEXT)


def test_short_data_is_told(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """A small file calibrates with what it has, and a person is told so."""
    data = _rows(tmp_path)
    ids = calibration_ids(data, tiny_model, 1000, 16, listener)
    assert 1 < len(ids) < 1000
    assert [code for _, code, _ in listener.diagnostics] == ["short-calibration"]


def _apart(monkeypatch: pytest.MonkeyPatch, data: DataSpec, model: Path, seq_len: int) -> CalibrationText:
    """A text begun as in a process that has not imported torch yet."""
    with monkeypatch.context() as changed:
        changed.delitem(sys.modules, "torch")
        return CalibrationText(data, 4, seq_len).encode_with(model)


def test_a_process_of_its_own_makes_the_same_ids(
    tiny_model: Path, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun before torch is there, the text is read beside its import, and gives what this process would make."""
    data = _rows(tmp_path)
    text = _apart(monkeypatch, data, tiny_model, 32)
    assert text._process is not None
    assert (text.ids(listener) == calibration_ids(data, tiny_model, 4, 32, listener)).all()


def test_what_fails_in_that_process_is_told_here(
    tiny_model: Path, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text too short is the same error; a process that was killed is made up for."""
    data = _rows(tmp_path)
    with pytest.raises(AdvisorError, match="fewer than one sequence of 5000"):
        _apart(monkeypatch, data, tiny_model, 5000).ids(listener)
    text = _apart(monkeypatch, data, tiny_model, 16)
    assert text._process is not None
    text._process.kill()
    assert text.ids(listener).shape == (4, 16)


def test_what_fails_before_it_is_told_the_tokenizer_is_told_here(
    tiny_model: Path, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that cannot be read end the process while the model's digest is still checked: their error comes out."""
    with monkeypatch.context() as changed:
        changed.delitem(sys.modules, "torch")
        text = CalibrationText(DataSpec(path=str(tmp_path / "lost.jsonl"), kind=DataKind.TEXT), 4, 16)
    assert text._process is not None
    text._process.wait(60)
    with pytest.raises(AdvisorError, match="there is no data at"):
        text.encode_with(tiny_model).ids(listener)


def test_a_text_that_nobody_waits_for_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process reads the rows, is told no tokenizer, and goes."""
    with monkeypatch.context() as changed:
        changed.delitem(sys.modules, "torch")
        text = CalibrationText(_rows(tmp_path), 4, 16)
    process = text._process
    assert process is not None and process.stdin is not None
    process.stdin.close()
    with process:
        assert process.wait(60) == 1
