"""Steps in float32 for a model in bfloat16."""

from __future__ import annotations

from typing import Any

import pytest

from executors.training.optimizer import make_optimizer, state_bytes


def test_small_steps_are_not_lost() -> None:
    """A hundred steps too small for bfloat16 move its weight as far as they move a float32 weight."""
    import torch

    models = [torch.nn.Linear(1, 1, bias=False).to(dtype) for dtype in (torch.bfloat16, torch.float32)]
    for model in models:
        torch.nn.init.ones_(model.weight)
        optimizer = make_optimizer(model, 1e-3)
        for _ in range(100):
            model.weight.grad = torch.ones_like(model.weight)
            optimizer.step()
    short, whole = (model.weight.item() for model in models)
    assert abs(short - whole) < 0.004
    assert short < 0.92


def test_float32_weights_are_their_own_masters() -> None:
    """Float32 weights are stepped in place, exactly as torch's AdamW does."""
    import torch

    torch.manual_seed(0)
    ours, theirs = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
    theirs.load_state_dict(ours.state_dict())
    pair = (make_optimizer(ours, 1e-2), torch.optim.AdamW(theirs.parameters(), lr=1e-2, weight_decay=0.0, fused=True))
    for _ in range(3):
        for model, optimizer in zip((ours, theirs), pair, strict=True):
            optimizer.zero_grad()
            model(torch.ones(2, 4)).square().sum().backward()
            optimizer.step()
    assert torch.equal(ours.weight, theirs.weight)


def test_frozen_weights_have_no_state() -> None:
    """Only trainable parameters are given to the optimizer."""
    import torch

    model = torch.nn.Linear(4, 4)
    model.weight.requires_grad_(False)
    assert len(make_optimizer(model, 1e-2).pairs) == 1


KINDS = ["adamw", "adamw-8bit", "paged-adamw-8bit", "adafactor", "sgd"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_every_kind_learns(name: Any, dtype: str) -> None:
    """Each optimizer lowers the loss of a regression, of short weights as of long ones."""
    import torch

    torch.manual_seed(0)
    model = torch.nn.Linear(128, 64).to(getattr(torch, dtype))
    inputs, wanted = torch.randn(32, 128).to(model.weight.dtype), torch.randn(32, 64)
    optimizer = make_optimizer(model, {"sgd": 0.3, "adafactor": 3e-2}.get(name, 1e-3), name)
    losses = []
    for _ in range(30):
        loss = (model(inputs).float() - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_what_small_states_save() -> None:
    """8-bit moments take about a quarter of AdamW's, factored ones next to nothing, SGD nothing."""
    import torch

    sizes = {}
    for name in KINDS:
        model = torch.nn.Linear(256, 256, bias=False)
        optimizer = make_optimizer(model, 1e-3, name)
        model.weight.grad = torch.ones_like(model.weight)
        optimizer.step()
        sizes[name] = state_bytes(optimizer)
    assert sizes["adamw"] >= 2 * 4 * 256 * 256
    assert sizes["adamw-8bit"] < 0.3 * sizes["adamw"]
    assert sizes["adafactor"] < 0.02 * sizes["adamw"]
    assert sizes["sgd"] == 0
