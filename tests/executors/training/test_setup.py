"""What every kind of training sets up alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from executors.models.attention import NAME
from executors.models.load import load_model
from executors.training.setup import choose_attention


def test_plain_models_get_whole_causal_attention(tiny_model: Path) -> None:
    """Without masks a bfloat16 model on the CPU leaves PyTorch's kernel; with them, or with sinks, it does not."""
    for has_masks, has_sinks, wanted in ((False, False, NAME), (True, False, "sdpa"), (False, True, "sdpa")):
        model = load_model("causal-lm", str(tiny_model), "bf16").model
        if has_sinks:
            model.get_decoder().layers[0].self_attn.sinks = torch.nn.Parameter(torch.zeros(2))
        choose_attention(model, [1000], has_masks=has_masks)
        assert model.config._attn_implementation == wanted


@pytest.mark.parametrize("length", [12, 1000])
def test_capped_scores_stay_with_plain_attention(length: int) -> None:
    """Gemma 2 caps its scores, which PyTorch's kernel cannot: it trains on with transformers' plain attention."""
    from transformers import Gemma2Config, Gemma2ForCausalLM

    sizes: dict[str, Any] = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8}
    model: Any = Gemma2ForCausalLM(Gemma2Config(**sizes, **heads)).to(torch.bfloat16).train()
    choose_attention(model, [length], has_masks=False)
    assert model.config._attn_implementation == "eager"
    ids = torch.arange(12).reshape(1, 12)
    loss = model(ids, labels=ids, use_cache=False).loss
    loss.backward()
    assert bool(torch.isfinite(loss))
