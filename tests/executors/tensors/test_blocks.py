"""Tests of executors.tensors.blocks, executors.tensors.parts and executors.tensors.rotary."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from executors.tensors.decoder import StreamedDecoder
from executors.tensors.folder import open_model
from executors.tensors.parts import each
from executors.tensors.source import FolderSource

IDS = torch.randint(0, 512, (9, 150), generator=torch.Generator().manual_seed(0))


def _hidden(folder: Path, dtype: torch.dtype, ids: torch.Tensor) -> torch.Tensor:
    decoder = StreamedDecoder(FolderSource(open_model(folder)), folder, dtype)
    hidden = decoder.embed(ids)
    for index in range(decoder.block_count):
        with decoder.block(index) as block:
            hidden = decoder.through(block, hidden)
    return hidden


def test_many_long_sequences_in_16_bits_agree_with_the_model(tiny_model: Path) -> None:
    """In parts, over panels of queries, with rounding of bfloat16 at most: what transformers gives in 32 bits."""
    whole = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    with torch.no_grad():
        expected = whole.model(IDS, output_hidden_states=True).hidden_states[-2]
    decoder = StreamedDecoder(FolderSource(open_model(tiny_model)), tiny_model, torch.bfloat16)
    with decoder.block(0) as block:
        found = decoder.through(block, decoder.embed(IDS))
    assert found.shape == expected.shape
    error = (found.float() - expected).norm() / expected.norm()
    assert error < 0.01, error


def test_threads_change_nothing(tiny_model: Path) -> None:
    """One thread, two and three give the same bits."""
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(_hidden(tiny_model, torch.bfloat16, IDS))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_a_sequence_does_not_depend_on_its_neighbours(tiny_model: Path) -> None:
    """Alone or among others, the same hidden states up to the rounding of 32 bits."""
    together, alone = _hidden(tiny_model, torch.float32, IDS), _hidden(tiny_model, torch.float32, IDS[4:5])
    torch.testing.assert_close(together[4:5], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["default", "llama3", "yarn"])
def test_rotations_are_those_of_the_model(tmp_path: Path, kind: str) -> None:
    """Ordinary positions and stretched ones give the whole model's logits."""
    stretched = {"rope_type": kind, "rope_theta": 5000.0, "factor": 4.0, "original_max_position_embeddings": 32}
    if kind == "llama3":
        stretched |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    told = {"rope_type": "default", "rope_theta": 5000.0} if kind == "default" else stretched
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=96, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, rope_parameters=told, attention_bias=True, mlp_bias=True,
    )  # fmt: skip
    whole = LlamaForCausalLM(config).eval()
    whole.save_pretrained(tmp_path)
    ids = torch.arange(60)
    with torch.no_grad():
        expected = whole(ids.unsqueeze(0)).logits[0]
    found = StreamedDecoder(FolderSource(open_model(tmp_path)), tmp_path, torch.float32).logits([ids])[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_an_error_in_a_part_is_raised() -> None:
    """What fails in one of the threads fails the call."""
    with pytest.raises(ZeroDivisionError):
        each(lambda number: 1 // number, [1, 1, 0, 1])
