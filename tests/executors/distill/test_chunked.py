"""Tests of the loss whose logits never stand in memory whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from executors.distill import chunked
from executors.distill.losses import mixed_loss


def _heads(width: int, vocabulary: int) -> tuple[torch.nn.Linear, torch.nn.Linear]:
    torch.manual_seed(0)
    return torch.nn.Linear(width, vocabulary, bias=False), torch.nn.Linear(width, vocabulary, bias=False)


def test_loss_and_gradients_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """In chunks of two positions, value, gradient of the states and of the head equal those of one piece."""
    monkeypatch.setattr(chunked, "MAX_NUMBERS", 2 * 11)
    ours, theirs = _heads(4, 11)
    hidden, guide = torch.randn(7, 4, requires_grad=True), torch.randn(7, 4)
    targets = torch.arange(7)
    whole = mixed_loss(ours(hidden), theirs(guide).detach(), targets, 2.0, 0.6) / 7
    wanted = torch.autograd.grad(whole, [hidden, ours.weight])
    loss = (
        chunked.chunked_loss(
            hidden, ours, [ours.weight], guide, theirs, 11, lambda s, t, at: mixed_loss(s, t, targets[at], 2.0, 0.6)
        )
        / 7
    )
    torch.testing.assert_close(loss, whole)
    torch.testing.assert_close(torch.autograd.grad(loss, [hidden, ours.weight]), wanted)


def test_no_head_sees_more_than_its_share_of_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many positions there are, neither model makes more logits at a time than allowed."""
    monkeypatch.setattr(chunked, "MAX_NUMBERS", 50)
    ours, theirs = _heads(4, 11)
    sizes: list[int] = []
    for head in (ours, theirs):
        head.register_forward_hook(lambda _, __, output: sizes.append(output.numel()))
    chunked.chunked_loss(
        torch.randn(100, 4, requires_grad=True), ours, [ours.weight], torch.randn(100, 4), theirs, 11,
        lambda s, t, at: mixed_loss(s, t, torch.zeros(s.shape[0], dtype=torch.long), 1.0, 0.5),
    ).backward()  # fmt: skip
    assert max(sizes) <= 50 and len(sizes) == 2 * 25


def test_a_frozen_head_gets_no_gradient() -> None:
    """With an adapter the output layer is not trained, and only the states pass a gradient on."""
    ours, theirs = _heads(4, 11)
    ours.requires_grad_(False)
    hidden = torch.randn(5, 4, requires_grad=True)

    def rule(student: Any, teacher: Any, at: slice) -> Any:
        return mixed_loss(student, teacher, torch.zeros(5, dtype=torch.long)[at], 1.0, 0.5)

    chunked.chunked_loss(hidden, ours, [], torch.randn(5, 4), theirs, 11, rule).backward()
    assert hidden.grad is not None and ours.weight.grad is None
    with torch.no_grad():
        assert chunked.chunked_loss(hidden, ours, [], torch.randn(5, 4), theirs, 11, rule) > 0
