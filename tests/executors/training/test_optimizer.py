"""Steps in float32 for a model in bfloat16."""

from __future__ import annotations

from executors.training.optimizer import make_optimizer


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
