"""Logits only where they are needed."""

from __future__ import annotations

from pathlib import Path

from executors.models.head import only_at, predicting
from executors.models.load import load_model


def test_chosen_logits_equal_all_logits(tiny_model: Path) -> None:
    """Logits at chosen positions are those of the full forward pass there, and the model is left as it was."""
    import torch

    model = load_model("causal-lm", str(tiny_model), "fp32").model
    ids = torch.arange(24).reshape(2, 12)
    labels = torch.full((2, 12), -100)
    labels[0, 3:5] = ids[0, 3:5]
    labels[1, 11] = ids[1, 11]
    positions = predicting(labels)
    assert positions.nonzero().tolist() == [[0, 2], [0, 3], [1, 10]]
    with torch.inference_mode():
        whole = model(ids).logits
        with only_at(model, positions):
            chosen = model(ids).logits
        again = model(ids).logits
    assert chosen.shape == (1, 3, whole.shape[-1])
    assert torch.allclose(chosen[0], whole[positions], atol=1e-6)
    assert torch.equal(again, whole)


def test_the_first_token_is_predicted_by_nothing(tiny_model: Path) -> None:
    """A label on the first token has no position that predicts it."""
    import torch

    assert not predicting(torch.tensor([[5, -100, -100]])).any()
