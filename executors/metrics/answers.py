"""Losses of the labelled tokens of each sequence: the ground of perplexity and of multiple choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from executors.datasets.render import Encoded
from executors.models.head import only_at, predicting
from executors.training.order import collate

BATCH_TOKENS = 2048
"""Padded tokens of one batch: large enough for the hardware, small enough for its caches."""


def answer_losses(
    model: Any, sequences: Sequence[Encoded], after_batch: Callable[[int], None] = lambda done: None
) -> list[tuple[float, int]]:
    """For each sequence the summed negative log-likelihood (nats) of its labelled tokens, and their number.

    `after_batch` is called with the number of sequences done. The order of batches depends on lengths alone, so the
    same sequences give the same numbers before and after a step.
    """
    import torch
    from torch.nn.functional import cross_entropy

    device = next(model.parameters()).device
    results: list[tuple[float, int]] = [(0.0, 0)] * len(sequences)
    done = 0
    was_training = model.training
    model.eval()
    # What a sharded model gathers in inference mode could not be trained on afterwards.
    is_sharded = hasattr(next(model.parameters()), "full_tensor")
    with torch.no_grad() if is_sharded else torch.inference_mode():
        for chosen in _batches([len(sequence.ids) for sequence in sequences]):
            batch = {name: t.to(device) for name, t in collate([sequences[i] for i in chosen], pad=0).items()}
            positions = predicting(batch["labels"])
            with only_at(model, positions):
                # Right padding is invisible to a causal model: no mask.
                logits = model(input_ids=batch["input_ids"], use_cache=False).logits[0]
            targets = batch["labels"][:, 1:][positions[:, :-1]]
            losses = cross_entropy(logits.float(), targets, reduction="none")
            rows = positions.nonzero()[:, 0]
            sums = torch.zeros(len(chosen), dtype=torch.float64, device=device).index_add_(0, rows, losses.double())
            for row, total, count in zip(chosen, sums.tolist(), positions.sum(1).tolist(), strict=True):
                results[row] = (total, count)
            done += len(chosen)
            after_batch(done)
    model.train(was_training)
    return results


class RowLosses(NamedTuple):
    """Nats per labelled token over all rows and of each row, and how many tokens each row has labelled."""

    mean: float
    per_row: tuple[float, ...]
    weights: tuple[float, ...]


def row_losses(sequences: Sequence[Encoded], losses: Sequence[tuple[float, int]]) -> RowLosses:
    """The losses of sequences by row: a row that was cut into several counts once.

    Raises ZeroDivisionError when nothing is labelled.
    """
    sums: dict[int, float] = dict.fromkeys((s.row for s in sequences), 0.0)
    counts: dict[int, int] = dict.fromkeys(sums, 0)
    for sequence, (loss, count) in zip(sequences, losses, strict=True):
        sums[sequence.row] += loss
        counts[sequence.row] += count
    mean = sum(sums.values()) / sum(counts.values())
    return RowLosses(mean, tuple(sums[row] / counts[row] for row in sums), tuple(map(float, counts.values())))


def mean_loss(losses: Sequence[tuple[float, int]]) -> float:
    """Nats per labelled token over all sequences. Raises ZeroDivisionError when nothing is labelled."""
    return sum(total for total, _ in losses) / sum(count for _, count in losses)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices in batches of at most `BATCH_TOKENS` padded tokens, the longest sequences first."""
    order = sorted(range(len(lengths)), key=lambda number: (-lengths[number], number))
    while order:
        size = max(1, BATCH_TOKENS // lengths[order[0]])
        yield order[:size]
        order = order[size:]
