"""Tests of executors.tensors.decoder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from advisor.domain.errors import AdvisorError
from executors.tensors.decoder import StreamedDecoder, require_architecture
from executors.tensors.folder import open_model
from executors.tensors.source import FolderSource

SHAPE = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
IDS = torch.tensor([5, 17, 3, 60, 2, 9, 44])


def _decoder(folder: Path) -> StreamedDecoder:
    return StreamedDecoder(FolderSource(open_model(folder)), folder, torch.float32)


def test_logits_equal_those_of_the_whole_model(tiny_model: Path) -> None:
    """Block by block gives what transformers gives for the whole Llama."""
    whole = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    with torch.no_grad():
        expected = whole(IDS.unsqueeze(0)).logits[0]
    torch.testing.assert_close(_decoder(tiny_model).logits([IDS])[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "model"),
    [(MistralConfig, MistralForCausalLM), (Qwen2Config, Qwen2ForCausalLM), (Qwen3Config, Qwen3ForCausalLM)],
)
@pytest.mark.parametrize("tied", [True, False])
def test_other_architectures_agree_too(tmp_path: Path, config: type, model: type, tied: bool) -> None:
    """Mistral, Qwen2 (with biases) and Qwen3, tied and untied, give the whole model's logits."""
    torch.manual_seed(1)
    whole = model(config(**SHAPE, tie_word_embeddings=tied)).eval()
    whole.save_pretrained(tmp_path)
    with torch.no_grad():
        expected = whole(IDS.unsqueeze(0)).logits[0]
    torch.testing.assert_close(_decoder(tmp_path).logits([IDS])[0], expected, rtol=1e-5, atol=1e-5)


def test_a_block_gives_its_weights_back(tiny_model: Path) -> None:
    """After use a block holds no storage, so memory does not grow with the blocks seen."""
    decoder = _decoder(tiny_model)
    with decoder.block(0) as block:
        assert all(parameter.device.type == "cpu" for parameter in block.parameters())
    assert all(parameter.device.type == "meta" for parameter in block.parameters())


def test_a_watcher_sees_shared_inputs_and_its_changes_take_effect(tiny_model: Path) -> None:
    """Query, key and value share one input object, and zeroing every weight leaves the hidden states as they were."""
    decoder = _decoder(tiny_model)
    hidden = decoder.embed(IDS.unsqueeze(0))
    seen: dict[str, int] = {}

    def visit(names: tuple[str, ...], given: torch.Tensor) -> None:
        for name in names:
            seen[name.rsplit(".", 1)[-1]] = id(given)
            block.get_submodule(name).weight.data.zero_()

    with decoder.block(0) as block:
        after = decoder.through(block, hidden, visit)
    assert len(seen) == 7
    assert seen["q_proj"] == seen["k_proj"] == seen["v_proj"]
    assert seen["gate_proj"] == seen["up_proj"]
    assert torch.equal(after, hidden)


def test_an_unknown_architecture_is_refused() -> None:
    """The message says what is supported and what to do."""
    with pytest.raises(AdvisorError, match="mamba cannot be run") as caught:
        require_architecture("mamba")
    assert "llama" in caught.value.why and caught.value.hint
