"""Plain LoRA layers computed the short way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from executors.adapters.attach import add_adapter
from executors.adapters.fused import fuse
from executors.adapters.settings import AdapterSettings
from executors.models.load import load_model


def trained(tiny_model: Path, **settings: Any) -> Any:
    """A model with an adapter that is no longer the identity."""
    torch.manual_seed(0)
    model = add_adapter(load_model("causal-lm", str(tiny_model), "fp32").model, AdapterSettings(**settings)).train()
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.05)
    return model


def test_loss_and_gradients_stay_the_same(tiny_model: Path) -> None:
    """The short way gives the logits and the gradients that PEFT's own layers give, up to rounding."""
    usual, short = trained(tiny_model, method="lora"), trained(tiny_model, method="lora")
    assert fuse(short) == sum(hasattr(m, "lora_A") for m in usual.modules()) > 0
    ids = torch.arange(24).reshape(2, 12)
    for model in (usual, short):
        model(ids, use_cache=False).logits.logsumexp(-1).sum().backward()
    assert torch.allclose(usual(ids).logits, short(ids).logits, atol=1e-5)
    for one, other in zip(usual.parameters(), short.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        if one.grad is not None:
            assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-4)


def test_an_adapter_taken_off_is_off(tiny_model: Path) -> None:
    """Without its adapter the model is the base, as a reference model must be."""
    model = trained(tiny_model, method="lora")
    fuse(model)
    ids = torch.arange(12).reshape(1, 12)
    base = load_model("causal-lm", str(tiny_model), "fp32").model
    with model.disable_adapter():
        assert torch.equal(model(ids).logits, base(ids).logits)
    assert not torch.allclose(model(ids).logits, base(ids).logits)


@pytest.mark.parametrize("settings", [{"method": "dora"}, {"method": "lora", "dropout": 0.1}, {"method": "ia3"}])
def test_other_layers_are_left_alone(tiny_model: Path, settings: dict[str, Any]) -> None:
    """DoRA, dropout and other kinds of adapters keep their own way."""
    assert fuse(trained(tiny_model, **settings)) == 0
