"""Changing a weight column by column, while the columns still free take over the error of those already settled.

The solver that GPTQ and SparseGPT share: Frantar et al. 2022, arXiv 2210.17323, section 3 and algorithm 1; Frantar &
Alistarh 2023, arXiv 2301.00774, section 3. What a column becomes is decided by a `Rule`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

BLOCK = 128
"""Columns whose errors are gathered before the columns behind them are told (algorithm 1)."""
PANEL = 32
"""The same once more inside a block: a step then touches few enough numbers to stay in the nearest cache."""


class Rule(Protocol):
    """What columns become."""

    every: int
    """`prepare` is called before each multiple of this: a divisor or multiple of BLOCK, or all columns."""

    def prepare(self, start: int, columns: torch.Tensor) -> None:
        """The next `every` columns [columns, out], with every earlier error taken over."""
        ...

    def settle(self, column: int, values: torch.Tensor) -> torch.Tensor:
        """What a column's values [out] become."""
        ...


def compensate(weight: torch.Tensor, factor: torch.Tensor, rule: Rule) -> torch.Tensor:
    """The weight [out, in] settled by `rule`, in 32 bits. `factor` [in, in]: see `inverse_factor`."""
    # Transposed, a column is contiguous.
    columns = weight.T.float().contiguous()
    width = len(columns)
    for start in range(0, width, BLOCK):
        stop = min(start + BLOCK, width)
        _spread(columns, factor, rule, start, stop, width)
    return columns.T


def _spread(columns: torch.Tensor, factor: torch.Tensor, rule: Rule, start: int, stop: int, width: int) -> None:
    """Settle columns start to stop, panel by panel, and carry their errors on to all columns behind them."""
    import torch

    errors = torch.empty_like(columns[start:stop])
    for first in range(start, stop, PANEL):
        last = min(first + PANEL, stop)
        own = errors[first - start : last - start]
        _settle(columns, factor[first:last, first:last], rule, first, own)
        if last < stop:
            columns[last:stop].addmm_(factor[first:last, last:stop].T, own, alpha=-1)
    if stop < width:
        columns[stop:].addmm_(factor[start:stop, stop:].T, errors, alpha=-1)


def _settle(columns: torch.Tensor, factor: torch.Tensor, rule: Rule, first: int, errors: torch.Tensor) -> None:
    """Settle the columns of one panel one after the other; `errors` [panel, out] gets what each left behind."""
    panel = columns[first : first + len(errors)]
    diagonal = factor.diagonal().tolist()
    for offset, pivot in enumerate(diagonal):
        column = first + offset
        if column % rule.every == 0:
            rule.prepare(column, columns[column : column + rule.every])
        values = panel[offset]
        settled = rule.settle(column, values)
        error = errors[offset]
        error.copy_(values).sub_(settled).div_(pivot)
        panel[offset + 1 :].addmm_(factor[offset, offset + 1 :, None], error[None], alpha=-1)
        values.copy_(settled)
