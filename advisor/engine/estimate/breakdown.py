"""The terms of a peak while they are being added up, in bytes, and how sure each of them is."""

from __future__ import annotations

from dataclasses import dataclass, field

from advisor.domain.estimate import Estimate, Range, Terms
from advisor.engine.estimate import constants as c

UNCERTAINTY: dict[str, tuple[float, float]] = {
    "weights": (0.02, 0.03),
    "adapters": (0.5, 0.1),
    "gradients": (0.1, 0.1),
    "optimizer": (0.05, 0.1),
    "activations": (0.2, 0.25),
    "logits": (0.6, 0.15),
    "temporary": (0.5, 1.0),
    "context": (0.5, 1.6),
}
"""How much less and more each term may be, as a share of it: weights are exact but for padding and what a
loader keeps; activations differ by implementation (fused kernels keep less, dropout more); a chunked loss saves most of
the logits; a CUDA context takes 0.25 to 1.3 GiB (`constants.CUDA_CONTEXT`)."""


@dataclass(eq=False, repr=False)
class Breakdown:
    """Bytes per GPU by term."""

    weights: float = 0.0
    adapters: float = 0.0
    gradients: float = 0.0
    optimizer: float = 0.0
    activations: float = 0.0
    logits: float = 0.0
    temporary: float = 0.0
    context: float = 0.0
    less: float = 0.0
    more: float = 0.0
    """Bytes that a known other way of doing the same saves or costs, beyond the terms' own uncertainty."""
    assumptions: list[str] = field(default_factory=list)

    def total(self) -> float:
        """Sum of all terms, bytes."""
        return float(sum(getattr(self, name) for name in Terms.model_fields))

    def answer(self) -> Estimate:
        """As an `Estimate` in GiB. The terms' uncertainties are independent: their squares add up."""
        terms = {name: getattr(self, name) / c.GIB for name in Terms.model_fields}
        low = sum((terms[n] * UNCERTAINTY[n][0]) ** 2 for n in terms) ** 0.5
        high = sum((terms[n] * UNCERTAINTY[n][1]) ** 2 for n in terms) ** 0.5
        expected = sum(terms.values())
        low, high = low + self.less / c.GIB, high + self.more / c.GIB
        peak = Range(low=max(0.0, expected - low), expected=expected, high=expected + high)
        return Estimate(peak_gib=peak, terms=Terms(**terms), assumptions=tuple(self.assumptions))
