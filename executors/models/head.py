"""Logits only where they are needed.

The output layer of a small model with a large vocabulary costs as much as several blocks; in instruction data most
positions are prompt or padding, whose logits nobody reads. A hook in front of the output layer passes only the wanted
positions on. It works through any wrapper (PEFT, DDP) and any architecture, since the model's own forward still runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def only_at(model: Any, positions: Any) -> Iterator[None]:
    """Inside, the model's logits have shape [1, positions.sum(), vocabulary], in row-major order of the positions.

    `positions`: bool [batch, time]. Virtual tokens that a prompt-learning method puts in front are skipped.
    """

    def select(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden = inputs[0][:, -positions.shape[1] :]
        return (hidden[positions].unsqueeze(0), *inputs[1:])

    handle = model.get_output_embeddings().register_forward_pre_hook(select)
    try:
        yield
    finally:
        handle.remove()


PLAIN_HEADS = ("llama", "mistral", "qwen2", "qwen3", "phi3", "smollm3", "olmo2")
"""Architectures whose logits are the head's product and nothing else: no scale, no cap."""


def frozen_head(model: Any) -> Any:
    """The head of a model whose loss can be had without its logits: plain, frozen, unhooked and whole; or None."""
    import torch

    head = model.get_output_embeddings()
    is_plain = type(head) is torch.nn.Linear and head.bias is None and model.config.model_type in PLAIN_HEADS
    is_own = is_plain and not head._forward_hooks and not head._forward_pre_hooks and "forward" not in vars(head)
    is_whole = is_own and not hasattr(head.weight, "full_tensor")
    return head if is_whole and not head.weight.requires_grad else None


@contextmanager
def hidden_at(model: Any, head: Any, positions: Any) -> Iterator[None]:
    """Inside, the model gives as its logits what the head would have read: [1, positions.sum(), width]."""
    head.forward = lambda hidden: hidden
    try:
        with only_at(model, positions):
            yield
    finally:
        del head.forward


def predicting(labels: Any) -> Any:
    """Positions whose next token is labelled. `labels`: int [batch, time], -100 where not; bool of that shape back."""
    import torch

    following = torch.zeros_like(labels, dtype=torch.bool)
    following[:, :-1] = labels[:, 1:] != -100
    return following
