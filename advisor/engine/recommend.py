"""`recommend`: facts in, the whole advice out. Pure: the same facts give the same bytes.

The work is done by the modules it calls: `choose`, `order`, `evaluate`, `flips`. This one only puts them in a row.
"""

from __future__ import annotations

from dataclasses import replace

from advisor.domain.errors import Severity
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import Alternative, Flip, Recommendation, Rejection, StackWarning
from advisor.engine import flips
from advisor.engine.choose import Choice, Scored, Slot
from advisor.engine.eligibility import span
from advisor.engine.evaluate import dumped, judged, on_answers
from advisor.engine.stack import Assembled, Situation, assemble, decide, member_of
from advisor.engine.walk import walked

ALTERNATIVES = 5
AT_MOST_REASONS = 3
"""Refusals quoted in one warning; all of them stand in `rejected`."""


def recommend(knowledge: Knowledge, facts: Facts, profile: str = "default", with_flips: bool = True) -> Recommendation:
    """The ordered stack for these facts, with reasons, warnings, alternatives, refusals and flips.

    When nothing is feasible: `feasible` is False, the stack is empty, `rejected` has every reason with its number and
    `flips` what would make it feasible. Raises KeyError for an unknown profile.
    """
    situation = Situation(knowledge, facts, profile)
    choice, assembled = decide(situation)
    found = flips.find(situation, assembled.ids, assembled.is_feasible) if with_flips else ()
    if not assembled.is_feasible:
        return _nothing(situation, choice, assembled, found)
    considered = frozenset(
        scored.candidate.technique.family for slot in choice.slots for scored in slot.ranked if slot.ranked
    )
    result = judged(situation, assembled.members, choice.fired, considered)
    return result.model_copy(
        update={
            "warnings": (
                *missed(choice),
                *on_answers(situation, assembled, result),
                *result.warnings,
            ),
            "alternatives": alternatives(situation, choice, assembled),
            "rejected": assembled.rejected,
            "flips": found,
        }
    )


def _nothing(situation: Situation, choice: Choice, assembled: Assembled, found: tuple[Flip, ...]) -> Recommendation:
    return Recommendation(
        feasible=False,
        rejected=assembled.rejected or _no_slot(choice),
        flips=found,
        facts=dumped(situation.facts),
        defaults=situation.facts.defaults,
        path=walked(situation.knowledge.tree, situation.facts),
    )


def _no_slot(choice: Choice) -> tuple[Rejection, ...]:
    """No rule opened anything: say so, rather than nothing."""
    because = "no rule of the decision tree offers a technique for these answers"
    return (Rejection(technique="any", because=because, source="004"),) if not choice.rejected else ()


def missed(choice: Choice) -> tuple[StackWarning, ...]:
    """What the further goals asked for and nothing feasible can give."""
    return tuple(
        StackWarning(
            severity=Severity.DANGER,
            code=f"nothing-to-{slot.name}",
            text=f"Nothing feasible for {slot.name}: "
            + " ".join(f"{r.technique}: {r.because}" for r in slot.rejected[:AT_MOST_REASONS]),
            fix="The stack does without; see the refusals, and what would change the advice.",
        )
        for slot in choice.unfilled
    )


def alternatives(situation: Situation, choice: Choice, assembled: Assembled) -> tuple[Alternative, ...]:
    """The runner-up of each slot in the place of what was taken, with what speaks against it."""
    found: list[Alternative] = []
    seen = {assembled.ids}
    for slot, winner in choice.chosen:
        for runner_up in slot.ranked[1:3]:
            if winner.technique not in assembled.ids or runner_up.technique in assembled.ids:
                continue
            stack = _with(situation, choice, assembled, slot, winner, runner_up)
            if stack.is_feasible and stack.ids not in seen:
                seen.add(stack.ids)
                found.append(Alternative(stack=stack.ids, why_not_first=why_not(winner, runner_up)))
    return tuple(found[:ALTERNATIVES])


def _with(
    situation: Situation, choice: Choice, assembled: Assembled, slot: Slot, winner: Scored, runner_up: Scored
) -> Assembled:
    kept = [m for m in assembled.members if m.slot != "merge-adapter"]
    members = [member_of(runner_up, slot.name) if m.technique == winner.technique else m for m in kept]
    return assemble(situation, members, replace_slots(choice))


def replace_slots(choice: Choice) -> Choice:
    """The choice with every slot filled as it was: alternatives change one slot only."""
    return Choice([replace(slot, is_optional=True) for slot in choice.slots], choice.fired)


def why_not(winner: Scored, runner_up: Scored) -> str:
    """Why the runner-up came second: what speaks against it, what speaks for the winner, what it costs."""
    words = [reason.text for reason in runner_up.against[:1]]
    if not words:
        better = [r for r in winner.reasons if r not in runner_up.reasons]
        words = [f"{winner.candidate.technique.name} comes first: {better[-1].text}" if better else "It scores lower."]
    return " ".join([*words, *_costs(winner, runner_up)])


def _costs(winner: Scored, runner_up: Scored) -> list[str]:
    costs = []
    first, second = winner.candidate.estimate, runner_up.candidate.estimate
    if first.gpu_gib is not None and second.gpu_gib is not None:
        costs.append(f"It takes {second.gpu_gib.expected:.1f} GiB on the GPU instead of {first.gpu_gib.expected:.1f}.")
    if first.seconds is not None and second.seconds is not None:
        here, there = first.seconds.expected, second.seconds.expected
        if there > 1.2 * here:
            costs.append(f"It takes about {span(there)} instead of {span(here)}.")
    return costs
