"""Optimizer states divided over processes that each hold the whole model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from executors.training.optimizer import held_state_share, make_optimizer, state_bytes
from executors.training.sharding import is_sharded
from tests.executors.training.together import run_two

SHAPES = {"even": (6, 5), "odd": (7, 3), "short": (1, 4), "vector": (9,), "scalar": ()}


def stepped(dtype: Any, name: Any, *, is_divided: bool) -> tuple[Any, Any]:
    """A model of oddly shaped parameters after four steps on fixed gradients, and its optimizer."""
    import torch

    torch.manual_seed(3)
    model: Any = torch.nn.ParameterDict({key: torch.nn.Parameter(torch.randn(shape)) for key, shape in SHAPES.items()})
    model.to(dtype)
    optimizer = make_optimizer(model, 1e-2, name, is_divided=is_divided)
    for _ in range(4):
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape).to(dtype)
        optimizer.step()
    return model, optimizer


def compare(folder: Path) -> None:
    """One member: what it holds after divided steps, against whole ones."""
    import torch

    for dtype in (torch.float32, torch.bfloat16):
        for name in ("adamw", "sgd"):
            whole, known = stepped(dtype, name, is_divided=False)
            divided, optimizer = stepped(dtype, name, is_divided=True)
            for key in SHAPES:
                assert not is_sharded(divided[key])
                assert torch.allclose(divided[key], whole[key], rtol=1e-6, atol=1e-7), (dtype, name, key)
            assert state_bytes(optimizer) <= 0.7 * state_bytes(known)
            share = held_state_share(optimizer)
            assert share is not None and 0.4 < share < 0.7
            assert all(is_sharded(master) == (parameter.ndim > 0) for parameter, master in optimizer.pairs)
            assert all(master.grad is None for parameter, master in optimizer.pairs if parameter.ndim)


@pytest.mark.slow
def test_divided_steps_are_whole_steps(tmp_path: Path) -> None:
    """Each process keeps its rows of masters and moments, and has all parameters as one process steps them.

    That holds for fewer rows than processes, for rows that do not divide evenly, and for undivided scalars.
    """
    run_two(compare, tmp_path)


def count_messages(folder: Path) -> None:
    """One member: messages of one step over many small parameters."""
    import torch

    from executors.training import zero

    model = torch.nn.ParameterList(torch.ones(4, 4) for _ in range(50))
    optimizer = make_optimizer(model, 1e-2, is_divided=True)
    for parameter in model:
        parameter.grad = torch.ones(4, 4)
    sent: list[int] = []
    broadcast = torch.distributed.broadcast
    torch.distributed.broadcast = lambda tensor, owner: sent.append(tensor.nbytes) or broadcast(tensor, owner)
    optimizer.step()
    assert sent == [50 * 8 * 4] * 2
    zero.BUCKET_BYTES = 100 * 4
    optimizer.step()
    assert sum(sent[2:]) == sum(sent[:2]) and max(sent[2:]) <= 400 and len(sent) > 6


@pytest.mark.slow
def test_small_parts_are_sent_together(tmp_path: Path) -> None:
    """One message per process carries what it stepped, cut only where it grows beyond a bucket."""
    run_two(count_messages, tmp_path)
