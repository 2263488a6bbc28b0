"""What the ways to save memory saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from executors import finetune
from executors.finetune import Config
from executors.models.load import load_model
from executors.protocol import Inputs
from executors.training.savings import kept_bytes, spared_activations
from tests.executors.finetune.conftest import config, inputs

__all__ = ["config", "inputs"]


def test_a_training_says_what_it_spared(
    config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Recomputation and half precision are reported with what they spared, and only where they were used."""
    finetune.run(config(max_steps=2, precision="fp32"), inputs, tmp_path / "plain", listener)
    assert "activations_spared" not in listener.metrics
    assert "weights_spared" not in listener.metrics
    apart = inputs.model_copy(update={"scratch": str(tmp_path / "other")})
    settings = config(max_steps=2, precision="bf16", gradient_checkpointing=True)
    finetune.run(settings, apart, tmp_path / "spared", listener)
    assert 0.3 < listener.metrics["activations_spared"] < 1
    model = load_model("causal-lm", inputs.path("model"), "bf16").model
    assert listener.metrics["weights_spared"] >= 2 * model.num_parameters()


def test_activations_grow_with_the_tokens(tiny_model: Path) -> None:
    """Twice the tokens keep about twice the bytes, and counting leaves the model without recomputation."""
    import torch

    model = load_model("causal-lm", str(tiny_model), "fp32").model
    one, two = (kept_bytes(model, torch.zeros((1, tokens), dtype=torch.long)) for tokens in (32, 64))
    assert 1.8 < two / one < 2.6
    assert 0.3 < spared_activations(model, 32) < 1
    assert not model.is_gradient_checkpointing
