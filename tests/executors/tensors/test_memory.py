"""Tests of executors.tensors.memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEASURE = """
import psutil, torch
from executors.tensors.memory import give_back, reuse_large_blocks
process = psutil.Process()
held = lambda: process.memory_info().rss
{prepare}
small = held()
blocks = [torch.ones(2**18) for _ in range(100)]
pin = torch.ones(8)
del blocks
kept = held() - small
{finish}
print(kept >> 20, held() - small >> 20)
"""


def _measure(prepare: str, finish: str) -> list[int]:
    code = MEASURE.format(prepare=prepare, finish=finish)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_memory_is_kept_on_request_and_given_back_on_request() -> None:
    """A hundred blocks of one MiB stay with the process once it was told to keep them, until it gives them back."""
    kept, after = _measure("assert reuse_large_blocks()", "assert give_back()")
    assert kept >= 90
    assert after <= 20
