"""Reading GGUF files nobody vouches for."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest

from advisor.domain.errors import AdvisorError
from executors.models.gguf_file import open_gguf


def write_small(path: Path) -> bytes:
    """A file with one number, one string, one list and two tensors, one of them quantized."""
    from gguf import GGMLQuantizationType, GGUFWriter, quantize

    writer = GGUFWriter(str(path), "llama")
    writer.add_uint32("a.number", 7)
    writer.add_array("a.list", ["x", "yz"])
    rows = np.arange(64, dtype=np.float32).reshape(2, 32)
    writer.add_tensor("plain", rows)
    writer.add_tensor("small", quantize(rows, GGMLQuantizationType.Q8_0), raw_dtype=GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def test_reads_what_the_library_wrote(tmp_path: Path) -> None:
    """Keys, lists and tensors come back as the gguf library wrote them, quantized ones decoded."""
    write_small(tmp_path / "a.gguf")
    gguf = open_gguf(tmp_path / "a.gguf")
    rows = np.arange(64, dtype=np.float32).reshape(2, 32)
    assert gguf.get("a.number", int) == 7
    assert gguf.metadata["a.list"] == ["x", "yz"]
    assert np.array_equal(gguf.read("plain"), rows)
    assert np.abs(gguf.read("small") - rows).max() < 0.3
    assert gguf.tensors["plain"].shape == (2, 32)


def test_missing_and_mistyped_keys_are_named(tmp_path: Path) -> None:
    """A key that is missing or of another type is an error that names it."""
    write_small(tmp_path / "a.gguf")
    gguf = open_gguf(tmp_path / "a.gguf")
    for key, kind in (("a.nothing", int), ("a.list", str)):
        with pytest.raises(AdvisorError, match="not a usable GGUF") as caught:
            gguf.get(key, kind)
        assert key in caught.value.why


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    """A file cut at any byte is refused with a sentence."""
    whole = write_small(tmp_path / "a.gguf")
    for length in range(0, len(whole) - 32, 7):
        (tmp_path / "cut.gguf").write_bytes(whole[:length])
        with pytest.raises(AdvisorError):
            open_gguf(tmp_path / "cut.gguf")


def test_flipped_bytes_never_escape(tmp_path: Path) -> None:
    """Damage anywhere in the table of contents is refused or harmless: no other exception, no read outside."""
    whole = write_small(tmp_path / "a.gguf")
    chance = random.Random(0)
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole) - 400)] = chance.randrange(256)
        (tmp_path / "bad.gguf").write_bytes(damaged)
        try:
            gguf = open_gguf(tmp_path / "bad.gguf")
        except AdvisorError:
            continue
        for entry in gguf.tensors.values():
            assert entry.offset + entry.bytes <= len(whole)


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"GGML" + bytes(20), "does not begin with GGUF"),
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**62, 0), "more than any model"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**60), "are announced"),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 8, 2**40),
            "strings are announced",
        ),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 4, 2**61), "are announced"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q1sI", 1, b"k", 77), "type 77"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q1sI", 1, b"t", 9), "9 dimensions"),
    ],
)
def test_absurd_claims_are_refused(tmp_path: Path, head: bytes, why: str) -> None:
    """Counts and lengths beyond the file are refused before anything is allocated for them."""
    (tmp_path / "bad.gguf").write_bytes(head)
    with pytest.raises(AdvisorError) as caught:
        open_gguf(tmp_path / "bad.gguf")
    assert why in caught.value.why


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A path without a file is an error that names it."""
    with pytest.raises(AdvisorError, match=r"nothing\.gguf"):
        open_gguf(tmp_path / "nothing.gguf")
