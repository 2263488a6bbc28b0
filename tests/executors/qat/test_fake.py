"""Tests of executors.qat.fake: by hand on 4x4, and what gradients reach."""

from __future__ import annotations

from typing import Any

import torch

from executors.qat.fake import prepare


class _Block(torch.nn.Module):
    """Modules named as in a decoder."""

    def __init__(self, linear: Any) -> None:
        super().__init__()
        layer = torch.nn.Module()
        layer.q_proj = linear
        self.model = torch.nn.Module()
        self.model.layers = torch.nn.ModuleList([layer])
        self.lm_head = torch.nn.Linear(4, 4)


def _linear(weight: list[list[float]]) -> Any:
    linear = torch.nn.Linear(4, 4, bias=False)
    linear.weight.data = torch.tensor(weight)
    return linear


WEIGHT = [[7.5, 0, 1.4, 0.6], [-7.5, 2.4, 2.6, 0], [7.5, 7.5, 7.5, 7.5], [0.5, 7.5, 0, -1.0]]


def test_a_layer_computes_with_its_rounded_weight_by_hand() -> None:
    """A largest magnitude of 7.5 gives the scale 1 (fifteen steps from end to end); the head is left alone."""
    model = _Block(_linear(WEIGHT))
    (layer,) = prepare(model, 4, 4, {})
    assert layer.name == "model.layers.0.q_proj.weight"
    whole = [[7, 0, 1, 1], [-8, 2, 3, 0], [7, 7, 7, 7], [0, 7, 0, -1]]
    assert layer.rounded().values.tolist() == whole
    assert layer.rounded().scales.flatten().tolist() == [1, 1, 1, 1]
    torch.testing.assert_close(model.model.layers[0].q_proj(torch.eye(4)).T, torch.tensor(whole).float())


def test_what_is_stored_is_what_was_trained_with() -> None:
    """Integers times scales are the fake-quantized weight to the bit, at every number of bits."""
    torch.manual_seed(0)
    for bits in (3, 4, 8):
        linear = torch.nn.Linear(64, 32, bias=False)
        (layer,) = prepare(_Block(linear), bits, 32, {})
        assert torch.equal(layer.rounded().dense(), layer.quantizer(layer.weight()))


def test_gradients_pass_the_rounding() -> None:
    """A step down the gradient lowers the loss, though the rounding itself is flat almost everywhere."""
    torch.manual_seed(0)
    linear = torch.nn.Linear(32, 8, bias=False)
    model = _Block(linear)
    prepare(model, 4, 32, {})
    given, wanted = torch.randn(64, 32), torch.randn(64, 8)
    losses = []
    for _ in range(30):
        loss = (linear(given) - wanted).square().mean()
        losses.append(float(loss))
        (gradient,) = torch.autograd.grad(loss, linear.weight)
        linear.weight.data -= 0.1 * gradient
    assert losses[-1] < 0.9 * losses[0]


def test_a_mask_keeps_zeros() -> None:
    """What a pruned model had set to zero is zero in the forward pass and gets no gradient."""
    linear = _linear(WEIGHT)
    mask = torch.tensor(WEIGHT) > 2
    (layer,) = prepare(_Block(linear), 4, 4, {"model.layers.0.q_proj.weight": mask})
    linear(torch.ones(1, 4)).sum().backward()
    assert bool((layer.rounded().values[~mask] == 0).all())
    assert bool((linear.weight.grad[~mask] == 0).all())
