"""`advisor.probe.gguf_header`: files written by the gguf library, cut and forged ones."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError
from advisor.probe.gguf_header import TYPES, read_gguf

gguf = pytest.importorskip("gguf")
numpy = pytest.importorskip("numpy")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small GGUF file with one quantized and one plain tensor."""
    path = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(96)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_context_length(128)
    writer.add_token_list(["a", "b", "c"])
    writer.add_token_scores([0.0, 1.0, 2.0])
    weights = gguf.quants.quantize(numpy.ones((3, 64), numpy.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("token_embd.weight", weights, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("output_norm.weight", numpy.ones(64, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_is_known_by_its_header(file: Path) -> None:
    """Dimensions from the metadata, parameters from the tensor table, the main type as dtype."""
    found = read_gguf("tiny", file)
    assert found.shape is not None
    assert (found.shape.layers, found.shape.hidden, found.shape.kv_heads, found.shape.vocab) == (2, 64, 2, 3)
    assert (found.params_b, found.quantized, found.dtype, found.kind) == (256 / 1e9, "gguf", "Q8_0", "base")
    assert found.shape.tied


def test_a_file_cut_anywhere_is_refused(file: Path) -> None:
    """Each cut gives one message that names the file; none gives a traceback or an endless loop."""
    whole = file.read_bytes()
    for keep in [*range(0, len(whole) - 260, 7), len(whole) - 257]:
        file.write_bytes(whole[:keep])
        with pytest.raises(AdvisorError, match=r"tiny\.gguf"):
            read_gguf("tiny", file)


@pytest.mark.parametrize("place", [8, 16])
def test_forged_counts_cost_nothing(file: Path, place: int) -> None:
    """2**60 tensors or metadata entries are refused before any loop runs over them."""
    raw = bytearray(file.read_bytes())
    raw[place : place + 8] = struct.pack("<Q", 2**60)
    file.write_bytes(raw)
    with pytest.raises(AdvisorError, match="not a whole GGUF file"):
        read_gguf("tiny", file)


def test_every_tensor_type_has_the_size_that_the_gguf_library_gives_it() -> None:
    """Block and byte sizes agree for all types of the installed library."""
    theirs = {int(t): (t.name, *sizes) for t, sizes in gguf.constants.GGML_QUANT_SIZES.items()}
    assert {kind: TYPES[kind] for kind in theirs if kind in TYPES} == {k: v for k, v in theirs.items() if k in TYPES}
    assert len(set(theirs) & set(TYPES)) >= 30
