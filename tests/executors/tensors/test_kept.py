"""Tests of executors.tensors.kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from advisor.domain.plan import DataSpec
from advisor.domain.words import DataKind
from executors.activations.batch import Batch
from executors.activations.text import CalibrationText
from executors.tensors.folder import ModelFolder, open_model
from executors.tensors.kept import KeptBlocks

BLOCK = {"a.weight": torch.arange(12, dtype=torch.bfloat16).reshape(3, 4), "a.scale": torch.tensor([1, -2])}


def _kept(scratch: Path, model: Path | ModelFolder, listener: Any, **settings: Any) -> KeptBlocks:
    return KeptBlocks(str(scratch), open_model(model) if isinstance(model, Path) else model, settings, listener)


def test_what_was_kept_is_read_back(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """Two blocks kept by one process are found by the next, tensor for tensor, and the third is to be done."""
    first = _kept(tmp_path, tiny_model, listener, bits=4)
    assert first.read(0) is None
    first.keep(0, BLOCK)
    first.keep(1, {"b": torch.zeros(0)})
    second = _kept(tmp_path, tiny_model, listener, bits=4)
    found = second.read(0)
    assert found is not None and found.keys() == BLOCK.keys()
    assert all(torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype for name, tensor in BLOCK.items())
    assert second.read(1) is not None and second.read(2) is None
    assert listener.lines == ["going on after 2 finished blocks"]


@pytest.mark.parametrize("place", [8, 150, -1])
def test_one_flipped_bit_ends_what_is_kept(tiny_model: Path, tmp_path: Path, listener: Any, place: int) -> None:
    """A damaged file is passed over by name, and so is every block after it."""
    kept = _kept(tmp_path, tiny_model, listener)
    for index in range(3):
        kept.keep(index, BLOCK)
    file = tmp_path / "blocks" / "block-00001.safetensors"
    data = bytearray(file.read_bytes())
    data[place] ^= 2
    file.write_bytes(data)
    again = _kept(tmp_path, tiny_model, listener)
    assert again.read(0) is not None
    assert again.read(1) is None and again.read(2) is None
    assert [code for _, code, _ in listener.diagnostics] == ["kept-block-skipped"]


def test_a_torn_file_and_an_unfinished_one_do_not_count(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """Cut short it is done again; what was being written is removed."""
    _kept(tmp_path, tiny_model, listener).keep(0, BLOCK)
    file = tmp_path / "blocks" / "block-00000.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    unfinished = file.with_name("block-00001.safetensors.tmp-new")
    unfinished.write_bytes(b"x")
    assert _kept(tmp_path, tiny_model, listener).read(0) is None
    assert not unfinished.exists()


def test_other_settings_and_other_models_start_anew(
    tiny_model: Path, tmp_path: Path, make_model: Any, listener: Any
) -> None:
    """Blocks made with four bits are of no use to eight, nor those of one model to another."""
    _kept(tmp_path / "s", tiny_model, listener, bits=4).keep(0, BLOCK)
    assert _kept(tmp_path / "s", tiny_model, listener, bits=8).read(0) is None
    other = make_model(tmp_path / "other", seed=5)
    assert _kept(tmp_path / "s", other, listener, bits=4).read(0) is None
    assert _kept(tmp_path / "s", tiny_model, listener, bits=4).read(0) is not None


def test_without_scratch_nothing_is_kept(tiny_model: Path, listener: Any) -> None:
    """A step started by hand without a scratch folder works as before."""
    kept = KeptBlocks("", open_model(tiny_model), {}, listener)
    kept.keep(0, BLOCK)
    assert kept.read(0) is None


def test_a_passed_block_leaves_the_batch_as_a_done_one(tiny_model: Path, listener: Any) -> None:
    """Weights changed while the batch passes, and the same weights put in before, give the same bits."""
    data = DataSpec(path="builtin:stdlib", kind=DataKind.TEXT)
    texts = (CalibrationText(data, 4, 32).encode_with(tiny_model) for _ in range(2))
    done, past = (Batch(text, open_model(tiny_model), listener) for text in texts)
    finished: dict[str, torch.Tensor] = {}

    def halve(layers: Any, inputs: torch.Tensor) -> None:
        for name, layer in layers.items():
            finished[name] = layer.weight.data.mul_(0.5).clone()

    done.through(0, halve)
    past.past(0, finished)
    assert done.fingerprint == past.fingerprint
    assert torch.equal(done._hidden, past._hidden)
