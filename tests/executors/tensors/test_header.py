"""Tests of executors.tensors.header."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from advisor.domain.errors import AdvisorError
from executors.tensors.header import read_header
from executors.tensors.source import read_tensor


def _file(folder: Path) -> Path:
    save_file(
        {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.bfloat16)}, folder / "m.safetensors"
    )
    return folder / "m.safetensors"


def _with_header(folder: Path, entries: dict[str, object], data: bytes) -> Path:
    text = json.dumps(entries).encode()
    file = folder / "m.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return file


def test_tensors_are_found_and_read(tmp_path: Path) -> None:
    """Names, types, shapes and values of a file written by safetensors come back."""
    found = read_header(_file(tmp_path))
    assert (found["a"].dtype, found["a"].shape) == ("F32", (2, 3))
    assert torch.equal(read_tensor(found["a"]), torch.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("cut", [0, 4, 20, -1])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, cut: int) -> None:
    """However much is missing, the message names the file."""
    file = _file(tmp_path)
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(AdvisorError, match=r"m\.safetensors is truncated or damaged"):
        read_header(file)


@pytest.mark.parametrize(
    "entries",
    [
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}},
        {"a": {"shape": [2], "data_offsets": [0, 8]}},
        {
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "b": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]},
        },
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, entries: dict[str, object]) -> None:
    """Wrong sizes, unknown types, overlaps and ranges outside the file never reach a reader."""
    with pytest.raises(AdvisorError, match="truncated or damaged"):
        read_header(_with_header(tmp_path, entries, bytes(8)))


def test_a_header_that_is_not_a_table_is_refused(tmp_path: Path) -> None:
    """JSON of another kind is damage, not a crash."""
    file = tmp_path / "m.safetensors"
    file.write_bytes((2).to_bytes(8, "little") + b"[]")
    with pytest.raises(AdvisorError, match="not a table"):
        read_header(file)
