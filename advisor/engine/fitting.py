"""Would this technique fit here? One technique against one situation, with the reasons and the numbers.

It says whether the technique is possible and what speaks for and against it; what is best here is said by `choose`.
A requirement about something that nobody said is left open, not counted as refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from advisor.domain.condition import Condition
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import Reason
from advisor.domain.technique import Requirement, Technique
from advisor.engine.conditions import holds
from advisor.engine.eligibility import Candidate, Examiner
from advisor.engine.placed import place


class FitVerdict(StrEnum):
    FITS = "fits"
    TIGHT = "tight"
    """It fits, and little memory is left."""
    OPEN = "open"
    """It depends on something that is not known yet."""
    NO = "no"


@dataclass(frozen=True)
class Fitting:
    """The answer for one technique."""

    candidate: Candidate
    verdict: FitVerdict
    refusals: tuple[Reason, ...] = ()
    """Why it is not possible here."""
    open: tuple[Requirement, ...] = ()
    """Requirements on facts that nobody said."""
    speaks_for: tuple[Reason, ...] = ()
    speaks_against: tuple[Reason, ...] = ()


def would_fit(knowledge: Knowledge, facts: Facts, technique_id: str, with_rules: bool = True) -> Fitting:
    """Whether the technique is possible on these facts. Raises KeyError for an unknown id.

    Without rules only the machine and the requirements are asked: for facts whose goal was not given by a person.
    """
    technique = knowledge.technique(technique_id)
    failing = [r for r in technique.requires if not holds(r.condition, facts)]
    unsaid = tuple(r for r in failing if _rests_on_unsaid(r.condition, facts))
    refusals = [_refused(r) for r in failing if r not in unsaid]
    candidate, misfit = place(Examiner(), technique.model_copy(update={"requires": ()}), facts, {})
    if misfit is not None:
        refusals.append(Reason(text=misfit.because, source=misfit.source))
    told = list(_told(knowledge, facts, technique)) if with_rules else []
    refusals += [reason for effect, reason in told if effect == "exclude"]
    verdict = FitVerdict.OPEN if unsaid else FitVerdict.TIGHT if candidate.is_tight else FitVerdict.FITS
    return Fitting(
        candidate=candidate,
        verdict=FitVerdict.NO if refusals else verdict,
        refusals=tuple(refusals),
        open=unsaid,
        speaks_for=tuple(reason for effect, reason in told if effect == "favor"),
        speaks_against=tuple(reason for effect, reason in told if effect == "disfavor"),
    )


def _refused(requirement: Requirement) -> Reason:
    return Reason(text=" ".join((requirement.because, requirement.hint)).strip(), source=requirement.source)


def _told(knowledge: Knowledge, facts: Facts, technique: Technique) -> Iterator[tuple[str, Reason]]:
    for rule in knowledge.rules:
        is_about_it = technique.id in rule.techniques and rule.effect in ("favor", "disfavor", "exclude")
        if is_about_it and holds(rule.when, facts):
            yield rule.effect, Reason(text=rule.because, source=rule.source)


def _rests_on_unsaid(condition: Condition, facts: Facts) -> bool:
    """Whether a test that fails asks for something that is unknown, or was only assumed."""
    assumed = {default.key.replace(".", "_") for default in facts.defaults}
    return any(name in assumed or getattr(facts, name) in (None, (), "") for name in _facts_in(condition))


def _facts_in(condition: Condition) -> Iterator[str]:
    if condition.fact is not None:
        yield condition.fact
    for part in (*condition.all, *condition.any, *condition.none):
        yield from _facts_in(part)
