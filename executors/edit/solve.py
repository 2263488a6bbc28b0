"""The linear algebra of an edit, on plain matrices.

A down projection W [out, in] maps keys to values. Both methods change it by the least that brings given keys to given
values, measured by the covariance C of the keys it has seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def memit_update(keys: torch.Tensor, residuals: torch.Tensor, covariance: torch.Tensor, weight: float) -> torch.Tensor:
    """The change of W [out, in] for keys [in, facts] and residuals [out, facts] (MEMIT, equation 14).

    residuals K^T (weight C + K K^T)^-1, solved in 64 bits. `covariance`: mean of k k^T [in, in].
    """
    import torch

    k, r = keys.double(), residuals.double()
    system = weight * covariance.double() + k @ k.T
    # Symmetric: X A = B is A X^T = B^T.
    return torch.linalg.solve(system, k @ r.T).T


def rome_update(key: torch.Tensor, residual: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """The rank-one change of W for one key [in] and residual [out] (ROME, equation 2): W k becomes W k + residual."""
    import torch

    k, r = key.double(), residual.double()
    direction = torch.linalg.solve(covariance.double(), k)
    return torch.outer(r, direction) / (direction @ k)


def damped(covariance: torch.Tensor, share: float = 0.01) -> torch.Tensor:
    """With a share of the mean of its diagonal added to it, so that unseen directions can be solved for."""
    import torch

    return covariance + share * covariance.diagonal().mean() * torch.eye(
        len(covariance), dtype=covariance.dtype, device=covariance.device
    )
