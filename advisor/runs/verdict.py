"""Which arm won: pure over what was measured. A rule is overruled only by a difference that the interval carries.

A paired bootstrap over the same questions (Efron and Tibshirani 1993): what is hard for every arm cancels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from advisor.domain.comparison import ArmResult
from advisor.domain.estimate import Range
from advisor.domain.run import Evaluation
from advisor.runs.compare import compare

ACCURACY, GROUNDED, LATENCY, MEMORY = "answer_accuracy", "groundedness", "answer_seconds", "peak_memory"


def change(before: Evaluation | None, after: Evaluation | None) -> Range | None:
    """The change of accuracy with its interval; None where either measured none."""
    if before is None or after is None:
        return None
    return next((c.difference for c in compare(before, after) if c.metric == ACCURACY and not c.is_relative), None)


def measured(found: ArmResult, evaluation: Evaluation | None, price: float | None) -> ArmResult:
    """The arm with its figures."""
    if evaluation is None:
        return found
    seconds = evaluation.value(LATENCY)
    hours = seconds * 1000 / 3600 if seconds is not None else None
    return found.model_copy(
        update={
            "accuracy": evaluation.value(ACCURACY),
            "groundedness": evaluation.value(GROUNDED),
            "seconds": seconds,
            "memory_gib": evaluation.value(MEMORY),
            "per_thousand_hours": hours,
            "per_thousand_price": hours * price if hours is not None and price is not None else None,
        }
    )


def decide(
    arms: Sequence[ArmResult], evaluations: Mapping[str, Evaluation], recommended: str
) -> tuple[str | None, bool, str]:
    """The best arm, whether it overrules the rules, and the verdict as sentences.

    The best is the most accurate; of those that cannot be told apart from it, the recommended one, else the fastest.
    """
    ran = [arm for arm in arms if arm.accuracy is not None and arm.name in evaluations]
    if not ran:
        return None, False, "Nothing was measured, so the recommendation stands as it was made."
    top = max(ran, key=lambda arm: (arm.accuracy or 0.0, -(arm.seconds or 0.0)))
    equal = [arm for arm in ran if not _is_below(evaluations[arm.name], evaluations[top.name])]
    chosen = next((arm for arm in equal if arm.name == recommended), None)
    best = chosen or min(equal, key=lambda arm: (arm.seconds or 0.0, -(arm.accuracy or 0.0)))
    return best.name, best.name != recommended, _sentences(best, top, ran, evaluations, recommended)


def _is_below(one: Evaluation, top: Evaluation) -> bool:
    """Whether `top` is better by more than chance allows."""
    found = change(one, top)
    return found is not None and found.low > 0


def _sentences(
    best: ArmResult, top: ArmResult, ran: list[ArmResult], evaluations: Mapping[str, Evaluation], recommended: str
) -> str:
    known = next((arm for arm in ran if arm.name == recommended), None)
    said = f"{best.name} answered {_share(best.accuracy)} of the questions"
    if best.name == recommended:
        if top.name != best.name:
            return f"The rule stands: {said}; {top.name} with {_share(top.accuracy)} cannot be told apart from it."
        return f"The rule stands: {said}, and no other arm more."
    if known is None:
        return f"The rule recommended {recommended}, which was not measured; of what was, {said}."
    found = change(evaluations[recommended], evaluations[best.name])
    by = f" ({_points(found)} points)" if found is not None else ""
    return f"The rule is overruled: {said}, {recommended} {_share(known.accuracy)}{by}."


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _points(found: Range) -> str:
    return f"{100 * found.expected:+.1f} [{100 * found.low:+.1f} to {100 * found.high:+.1f}]"
