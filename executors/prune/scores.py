"""What each weight is worth, and which to keep: plain tensor functions without input or output.

Wanda: Sun et al. 2023, arXiv 2306.11695, section 3: |W| times the L2 norm of the input feature, compared within one
output row. Magnitude: |W|, compared within one layer. 2:4: the best two of every four neighbours of a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.tensors.select import keep_highest

if TYPE_CHECKING:
    import torch

CHUNK_ROWS = 1024


def input_norms(inputs: torch.Tensor) -> torch.Tensor:
    """L2 norm of each feature over all tokens: inputs [..., features] to [features], in 32 bits."""
    import torch

    from executors.tensors.parts import each

    def squares(chunk: torch.Tensor) -> torch.Tensor:
        # The product with ones adds up faster than `sum(0)` on a CPU.
        wide = chunk.to(torch.float32, copy=True).square_()
        return wide.new_ones(len(wide)) @ wide

    # In chunks: widening a whole calibration batch would double the peak.
    rows = inputs.reshape(-1, inputs.shape[-1])
    parts = each(squares, rows.split(CHUNK_ROWS), rows.device.type == "cpu")
    return torch.stack(parts).sum(0).sqrt()


def magnitude_scores(weight: torch.Tensor) -> torch.Tensor:
    """|W|, in 32 bits."""
    return weight.abs().float()


def wanda_scores(weight: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
    """|W| [out, in] times the norm of each input feature [in], in 32 bits."""
    return weight.abs().float() * norms


def keep_per_row(scores: torch.Tensor, sparsity: float) -> torch.Tensor:
    """Mask [out, in] that drops exactly round(in * sparsity) of the lowest scores in every row."""
    return keep_highest(scores, round(scores.shape[1] * sparsity))


def keep_per_layer(scores: torch.Tensor, sparsity: float) -> torch.Tensor:
    """Mask that drops exactly round(count * sparsity) of the lowest scores of the whole tensor."""
    return keep_highest(scores.reshape(1, -1), round(scores.numel() * sparsity)).reshape(scores.shape)


def keep_two_of_four(scores: torch.Tensor) -> torch.Tensor:
    """Mask [out, in] that keeps the two highest scores of every four neighbours; `in` must divide by 4."""
    import torch

    groups = scores.reshape(scores.shape[0], -1, 4).unbind(-1)
    kept = []
    for index, score in enumerate(groups):
        # Counting the neighbours that beat it ranks four values without a sort; the earlier one wins a tie.
        better = torch.zeros_like(score, dtype=torch.int8)
        for other, rival in enumerate(groups):
            if other != index:
                better += (rival >= score) if other < index else (rival > score)
        kept.append(better < 2)
    return torch.stack(kept, dim=-1).reshape(scores.shape)


def keep(scores: torch.Tensor, sparsity: float, pattern: str, per_row: bool) -> torch.Tensor:
    """The mask for a pattern (`unstructured` or `2:4`). `per_row`: compare within rows, else within the layer."""
    if pattern == "2:4":
        return keep_two_of_four(scores)
    return keep_per_row(scores, sparsity) if per_row else keep_per_layer(scores, sparsity)
