"""Cross-entropy of a frozen head without its logits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from executors.models.head import frozen_head, hidden_at, predicting
from executors.models.load import load_model
from executors.training import head_loss as module


def test_loss_and_gradient_over_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loss and gradient equal those of the whole logits, whatever pieces they are made in."""
    torch.manual_seed(0)
    monkeypatch.setattr(module, "PIECE_BYTES", 4 * 31 * 3)
    weight, targets = torch.randn(31, 8), torch.arange(10)
    one, other = (torch.randn(10, 8, generator=torch.Generator().manual_seed(1)).requires_grad_() for _ in range(2))
    loss = module.head_loss(one, weight, targets) / 7
    wanted = cross_entropy(other @ weight.T, targets, reduction="sum") / 7
    loss.backward()
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert one.grad is not None and other.grad is not None
    assert torch.allclose(one.grad, other.grad, atol=1e-6)


def test_the_head_is_passed_by_and_put_back(tiny_model: Path) -> None:
    """What the model gives inside is what its head would have read; afterwards it gives logits again."""
    model = load_model("causal-lm", str(tiny_model), "fp32").model.requires_grad_(False)
    ids = torch.arange(24).reshape(2, 12)
    positions = predicting(ids)
    head = frozen_head(model)
    with torch.inference_mode():
        whole = model(ids).logits
        with hidden_at(model, head, positions):
            hidden = model(ids).logits[0]
        assert torch.allclose(hidden @ head.weight.T, whole[positions], atol=1e-5)
        assert torch.equal(model(ids).logits, whole)


def test_heads_it_is_not_for(tiny_model: Path) -> None:
    """A head that is trained, hooked, or of an architecture that does more to its logits, is not passed by."""
    model = load_model("causal-lm", str(tiny_model)).model
    assert frozen_head(model.requires_grad_(True)) is None
    model.requires_grad_(False)
    assert frozen_head(model) is not None
    handle = model.get_output_embeddings().register_forward_hook(lambda *_: None)
    assert frozen_head(model) is None
    handle.remove()
    model.config.model_type = "gemma2"
    assert frozen_head(model) is None
