"""Scales fitted once more, to the integers that rounding has chosen.

GPTQ finds its scales on the weights as they were; its integers have since taken over errors of other columns. With the
integers q fixed, the squared output error of a row w is quadratic in the scales s of its groups, with H the Hessian of
GPTQ: the sum over groups g and h of s_g s_h q_g H_gh q_h, less twice the sum over g of s_g q_g (H w)_g. Its minimum is
the solution of as many linear equations as a row has groups. Plain tensor functions without input or output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.activations.hessian import DAMPING, damped
from executors.quantize.rounded import Rounded

if TYPE_CHECKING:
    import torch

ROWS = 256
"""Rows that are solved at a time."""
PULL = 1e-4
"""How strongly a scale is held where it was, as a share of what its own group weighs: it decides what no input does."""
FARTHEST = 2.0
"""Factor by which a scale may change; rows where one would change by more stay as they are, and those that would not
get better."""


def refit_scales(rounded: Rounded, weight: torch.Tensor, hessian: torch.Tensor, damping: float = DAMPING) -> Rounded:
    """The same integers with the scales of least output error, rounded to bfloat16 as they are stored; rows that this
    would not make better as they were.

    `weight` [out, in]: what was rounded; `hessian` [in, in] of its inputs, damped here as for GPTQ.
    """
    import torch

    curvature = damped(hessian, damping)
    rows = zip(weight.float().split(ROWS), _whole(rounded).split(ROWS), rounded.scales.split(ROWS), strict=True)
    scales = torch.cat([_fitted(wanted, whole, start, curvature) for wanted, whole, start in rows])
    return Rounded(rounded.values, scales, rounded.zeros)


def _whole(rounded: Rounded) -> torch.Tensor:
    """Integers less their zeros [out, groups, group], in 32 bits."""
    whole = rounded.values.float().reshape(*rounded.scales.shape, -1)
    return whole if rounded.zeros is None else whole.sub_(rounded.zeros.float().unsqueeze(-1))


def _fitted(wanted: torch.Tensor, whole: torch.Tensor, start: torch.Tensor, hessian: torch.Tensor) -> torch.Tensor:
    """Scales [rows, groups]. `wanted` [rows, in], `whole` [rows, groups, group], `start` [rows, groups]."""
    import torch

    _, groups, group = whole.shape
    given = ((wanted @ hessian).reshape(whole.shape) * whole).sum(dim=-1)
    among = torch.stack(
        [
            ((whole[:, own] @ hessian[own * group : (own + 1) * group]).reshape(whole.shape) * whole).sum(dim=-1)
            for own in range(groups)
        ],
        dim=1,
    )
    found = _solved(among, given, start).bfloat16().float()
    ratio = found / start
    is_near = ((ratio > 1 / FARTHEST) & (ratio < FARTHEST)).all(dim=1)
    # Rounded, and with more bits than scales have digits, what is best no longer need be better. The difference of both
    # errors, (found - start)' (A (found + start) - 2 given), and not each of them: those are nearly the same.
    slope = (among @ (found + start).unsqueeze(-1)).squeeze(-1) - 2 * given
    is_better = ((found - start) * slope).sum(dim=1) < 0
    return torch.where((is_near & is_better).unsqueeze(1), found, start)


def _solved(among: torch.Tensor, given: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """Where the error is least, each scale held a little where it was."""
    import torch

    diagonal = among.diagonal(dim1=1, dim2=2)
    # A group of nothing but zeros weighs nothing: whatever its scale, it keeps it.
    pull = PULL * diagonal + (diagonal == 0)
    held = among + torch.diag_embed(pull)
    return torch.linalg.solve(held, (given + pull * start).unsqueeze(-1)).squeeze(-1)
