"""The Hessian of a linear layer's squared output error, and the triangular factor of its inverse.

Frantar et al. 2022 (GPTQ), arXiv 2210.17323, sections 2 and 3 (steps 2 and 3): with inputs X the error ||WX - VX||^2
has the Hessian H = 2 X X^T in each row of W, the same for all rows. Plain tensor functions without input or output.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from advisor.domain.errors import AdvisorError, ExitCode

if TYPE_CHECKING:
    import torch

CHUNK_ROWS = 4096
TILE = 512
DAMPING = 0.01
"""Share of the mean diagonal that is added to it (section 3, step 3)."""
TRIES = 4


def input_hessian(inputs: torch.Tensor) -> torch.Tensor:
    """H = 2 X^T X of inputs [..., features], summed over all tokens: [features, features] in 32 bits."""
    import torch

    rows = inputs.reshape(-1, inputs.shape[-1])
    width = rows.shape[1]
    total = torch.zeros(width, width, dtype=torch.float32, device=rows.device)
    starts = range(0, width, TILE)
    with _exact_products(rows.dtype):
        for chunk in rows.split(CHUNK_ROWS):
            wide = chunk.float()
            # It is symmetric: only the tiles on and right of the diagonal are computed.
            for start in starts:
                total[start : start + TILE, start:].addmm_(wide[:, start : start + TILE].T, wide[:, start:])
    upper = total.triu_()
    return (upper + upper.triu(1).T).mul_(2)


def damped(hessian: torch.Tensor, damping: float = DAMPING) -> torch.Tensor:
    """The Hessian with that share of its mean diagonal added to it; the one given stays as it is.

    Features that were always zero count as 1 on the diagonal: nothing is known of them.
    """
    found = hessian.clone()
    diagonal = found.diagonal()
    diagonal[diagonal == 0] = 1
    diagonal += damping * float(diagonal.mean())
    return found


def inverse_factor(hessian: torch.Tensor, damping: float = DAMPING) -> tuple[torch.Tensor, torch.Tensor]:
    """Upper triangular U [features, features] with (H + damping)^-1 = U^T U, and which features were never active.

    Features that were always zero count as 1 on the diagonal: nothing is known of them. `hessian` is changed.
    Raises AdvisorError when it is not positive definite even with much damping.
    """
    import torch

    diagonal = hessian.diagonal()
    dead = diagonal == 0
    diagonal[dead] = 1
    step = damping * float(diagonal.mean())
    for _ in range(TRIES):
        diagonal += step
        # Of the matrix read backwards the lower factor is an upper one of the matrix itself: H = R R^T, and U = R^-1.
        # One decomposition and one triangular inverse instead of two decompositions and a full inverse.
        lower, trouble = torch.linalg.cholesky_ex(hessian.flip(0, 1))
        if int(trouble) == 0:
            identity = torch.eye(len(hessian), device=hessian.device)
            return torch.linalg.solve_triangular(lower, identity, upper=False).flip(0, 1).contiguous(), dead
        step *= 10
    raise AdvisorError(
        "the inputs of a layer cannot be inverted",
        why="its Hessian is not positive definite even with damping",
        hint="give more and more varied calibration text",
        code=ExitCode.RUN_FAILED,
    )


@contextmanager
def _exact_products(dtype: torch.dtype) -> Iterator[None]:
    """On a CPU, multiply 32-bit copies of 16-bit numbers by the 16-bit units: products are exact, sums in 32 bits."""
    import torch

    matmul = torch.backends.mkldnn.matmul
    before = matmul.fp32_precision
    if dtype is torch.bfloat16:
        matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before
