"""A whole chain of steps: the largest memory of any step, every artifact on disk, all seconds with the evaluations."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.domain.estimate import ChainEstimate, StepEstimate


def estimate_chain(steps: Sequence[StepEstimate], evaluations: int = 0, each_evaluation: float = 0.0) -> ChainEstimate:
    """Peaks over the chain. Artifacts of finished steps stay; checkpoints go when their step is done, so the peak on
    disk is the artifacts so far with the running step's whole need. `each_evaluation`: seconds."""
    kept = peak_disk = 0.0
    for step in steps:
        if step.disk_gib is not None:
            peak_disk = max(peak_disk, kept + step.disk_gib.expected)
            kept += step.disk_gib.low
    return ChainEstimate(
        peak_gpu_gib=max((step.gpu_gib.expected for step in steps if step.gpu_gib), default=0.0),
        peak_ram_gib=max((step.ram_gib.expected for step in steps if step.ram_gib), default=0.0),
        peak_disk_gib=peak_disk,
        seconds=sum(step.seconds.expected for step in steps if step.seconds) + evaluations * each_evaluation,
        evaluations=evaluations,
        evaluation_seconds=evaluations * each_evaluation,
    )
