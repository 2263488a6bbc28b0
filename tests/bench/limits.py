"""What no program can beat on this machine: operations over the measured rate, bytes over the disk's.

Not a benchmark by itself. Counts only what a method must do on SmolLM2-135M: one pass of the calibration tokens through
the blocks, the products X^T X it needs, the elimination, and reading and writing the model once.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

WIDTH, INNER, KV, BLOCKS = 576, 1536, 192, 30
VOCABULARY = 49152
BITS = {"wanda": 16.0, "sparsegpt": 16.0, "gptq": 4.25, "awq": 4.3125}


class Rates(NamedTuple):
    """Operations per second of two threads in bfloat16, and bytes per second written and synced."""

    flops: float
    bandwidth: float


def measure() -> Rates:
    """Measure both: the best of several products of 2048 x 2048, and 256 MB written and synced."""
    import torch

    torch.set_num_threads(2)
    one, other = (torch.randn(2048, 2048).bfloat16() for _ in range(2))
    best = 0.0
    for _ in range(8):
        start = time.perf_counter()
        one @ other
        best = max(best, 2 * 2048**3 / (time.perf_counter() - start))
    data = os.urandom(1 << 20) * 256
    with tempfile.TemporaryDirectory() as place:
        start = time.perf_counter()
        with (Path(place) / "data").open("wb") as file:
            file.write(data)
            os.fsync(file.fileno())
        seconds = time.perf_counter() - start
    return Rates(best, len(data) / seconds)


def limit_seconds(method: str, tokens: int, rates: Rates) -> float:
    """The least a method can take for so many calibration tokens."""
    matrices = [
        (WIDTH, WIDTH),
        (KV, WIDTH),
        (KV, WIDTH),
        (WIDTH, WIDTH),
        (INNER, WIDTH),
        (INNER, WIDTH),
        (WIDTH, INNER),
    ]
    weights = sum(rows * columns for rows, columns in matrices)
    operations = 2.0 * weights * tokens
    if method != "wanda":
        # X^T X of the four different inputs, half of it by symmetry.
        operations += tokens * (3 * WIDTH**2 + INNER**2)
    if method in ("sparsegpt", "gptq"):
        # Every column's error goes into all later ones; the factor of each inverse.
        operations += sum(rows * columns**2 for rows, columns in matrices) + 4 / 3 * (3 * WIDTH**3 + INNER**3)
    table = 2 * VOCABULARY * WIDTH
    read = 2 * weights * BLOCKS + table
    written = weights * BLOCKS * BITS[method] / 8 + table
    return BLOCKS * operations / rates.flops + (read + written) / rates.bandwidth
