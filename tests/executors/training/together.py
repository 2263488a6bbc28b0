"""Two processes that share a training, for tests: each runs the same function as its member of a group over gloo."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

JOIN_SECONDS = 60


def run_two(function: Callable[[Path], Any], folder: Path) -> None:
    """Run `function(folder)` in two processes that form a group. Fails when one fails, or waits for the other."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    members: list[Any] = [context.Process(target=_join, args=(function, folder, rank)) for rank in range(2)]
    for member in members:
        member.start()
    try:
        for member in members:
            member.join(JOIN_SECONDS)
        assert [member.exitcode for member in members] == [0, 0]
    finally:
        for member in members:
            member.kill()


def _join(function: Callable[[Path], Any], folder: Path, rank: int) -> None:
    import datetime

    import torch

    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=rank,
        world_size=2,
        timeout=datetime.timedelta(seconds=JOIN_SECONDS),
    )
    function(folder)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    # As a member ends: while Python takes everything apart, a thread of torch's own now and then ends the process.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
