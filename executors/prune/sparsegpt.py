"""SparseGPT: which weights to drop, block by block, while those that stay make up for them.

Frantar & Alistarh 2023, arXiv 2301.00774, sections 3.2 to 3.4 and algorithm 1: a weight costs w^2 / [H^-1]_jj of what
is still free; the mask of 128 columns is chosen at once, two of every four for the pattern 2:4. Plain tensor functions
without input or output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.activations.compensation import BLOCK, compensate
from executors.tensors.select import keep_highest

if TYPE_CHECKING:
    import torch


def sparsegpt(weights: list[torch.Tensor], factor: torch.Tensor, sparsity: float, pattern: str) -> list[torch.Tensor]:
    """Weights [out, in] fed by the same inputs, pruned and compensated, in 32 bits.

    Each loses exactly round(count * sparsity), or two of every four neighbours. `factor`: see `inverse_factor`.
    """
    import torch

    sizes = [len(weight) for weight in weights]
    joined = torch.cat([weight.float() for weight in weights])
    rule = _TwoOfFour(factor) if pattern == "2:4" else _Unstructured(factor, sparsity, sizes)
    return list(compensate(joined, factor, rule).split(sizes))


class _Unstructured:
    """The cheapest share of each layer's part of a block."""

    every = BLOCK

    def __init__(self, factor: torch.Tensor, sparsity: float, sizes: list[int]) -> None:
        self._costs = factor.diagonal().square()
        self._sparsity = sparsity
        self._sizes = sizes

    def prepare(self, start: int, columns: torch.Tensor) -> None:
        import torch

        stop = start + len(columns)
        costs = columns.square() / self._costs[start:stop, None]
        kept = []
        for part in costs.split(self._sizes, dim=1):
            # Counted from the first column, so that blocks of uneven size add up to the exact share.
            drop = _share(part.shape[1] * stop, self._sparsity) - _share(part.shape[1] * start, self._sparsity)
            kept.append(keep_highest(part.reshape(1, -1), drop).reshape(part.shape))
        self._start, self._drop = start, ~torch.cat(kept, dim=1)

    def settle(self, column: int, values: torch.Tensor) -> torch.Tensor:
        return values.masked_fill(self._drop[column - self._start], 0)


class _TwoOfFour:
    """The cheaper two of every four neighbours of a row."""

    every = 4

    def __init__(self, factor: torch.Tensor) -> None:
        self._costs = factor.diagonal().square()

    def prepare(self, start: int, columns: torch.Tensor) -> None:
        from executors.prune.scores import keep_two_of_four

        costs = columns.square() / self._costs[start : start + 4, None]
        self._start, self._drop = start, ~keep_two_of_four(costs.T).T

    def settle(self, column: int, values: torch.Tensor) -> torch.Tensor:
        return values.masked_fill(self._drop[column - self._start], 0)


def _share(count: int, sparsity: float) -> int:
    return round(count * sparsity)
