"""Causal attention for training on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from executors.models.attention import NAME, register
from executors.models.load import load_model


def test_loss_and_gradients_are_those_of_plain_attention(tiny_model: Path) -> None:
    """Forward and backward pass agree with transformers' plain attention as far as bfloat16 goes."""
    found: list[tuple[Any, Any]] = []
    for name in ("eager", register()):
        model = load_model("causal-lm", str(tiny_model), "bf16").model
        model.set_attn_implementation(name)
        ids = torch.arange(60).reshape(2, 30) % 50
        logits = model(ids, use_cache=False).logits.float()
        (logits.logsumexp(-1) ** 2).mean().backward()
        found.append((logits.detach(), [p.grad.float() for p in model.parameters() if p.grad is not None]))
    (plain, slopes), (own, others) = found
    assert torch.allclose(own, plain, atol=0.02 * float(plain.abs().max()))
    for slope, other in zip(slopes, others, strict=True):
        assert float((slope - other).norm()) <= 0.03 * float(slope.norm())


def test_no_position_sees_a_later_one(tiny_model: Path) -> None:
    """A changed last token changes no logits before it."""
    model = load_model("causal-lm", str(tiny_model), "bf16").model
    model.set_attn_implementation(register())
    ids = torch.arange(24).reshape(1, 24)
    other = ids.clone()
    other[0, -1] = 40
    one, two = (model(given, use_cache=False).logits for given in (ids, other))
    assert torch.equal(one[0, :-1], two[0, :-1])
    assert not torch.equal(one[0, -1], two[0, -1])


@pytest.mark.parametrize("padding", [0, 3])
def test_masked_and_cached_attention_is_left_to_the_kernel(tiny_model: Path, padding: int) -> None:
    """Padded rows and generation give what PyTorch's own kernel gives, since it is that which computes them."""
    mask = torch.ones(2, 12, dtype=torch.long)
    mask[1, :padding] = 0
    ids = torch.arange(24).reshape(2, 12)
    found = []
    for name in ("sdpa", register()):
        model = load_model("causal-lm", str(tiny_model), "bf16").model
        model.set_attn_implementation(name)
        found.append(model.generate(ids, attention_mask=mask, max_new_tokens=6, do_sample=False, pad_token_id=0))
    assert torch.equal(*found)


def test_its_name_is_not_written_with_a_model(tiny_model: Path, tmp_path: Path) -> None:
    """A model that was trained with it is saved for any transformers to load."""
    model = load_model("causal-lm", str(tiny_model)).model
    model.set_attn_implementation(register())
    model.save_pretrained(tmp_path)
    assert NAME not in (tmp_path / "config.json").read_text()
