"""What every kind of training sets up alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from executors.finetune.config import Config
from executors.models.attention import NAME
from executors.models.load import load_model
from executors.protocol import Input, Inputs
from executors.training.setup import choose_attention, load_trainable


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


def test_measuring_between_steps_leaves_the_gradients_of_4_bit_layers(tiny_model: Path) -> None:
    """QLoRA's gradients are the same, in every layer, before and after the model was asked outside training."""
    config = Config.model_validate({"data": {"path": "builtin:stdlib", "kind": "instructions"}, "method": "qlora"})
    inputs = Inputs(roles={"model": Input(kind="causal-lm", path=str(tiny_model))}, threads=1)
    model = load_trainable(config, inputs, [16]).model
    ids = torch.arange(16).reshape(1, 16)

    def gradients() -> dict[str, Any]:
        model.zero_grad()
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    before = gradients()
    with torch.no_grad():
        model.eval()(input_ids=ids)
    model.train()
    after = gradients()
    assert before and before.keys() == after.keys()
    for name in before:
        torch.testing.assert_close(after[name], before[name])
