"""`Draft`: a stack that a person puts together, as a value with its history. Every change gives a new one.

What a change costs and whether it is possible is judged by the engine at once. It draws nothing and starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError, Severity
from advisor.domain.plan import Plan
from advisor.domain.recommendation import Recommendation, StackEntry
from advisor.engine.placed import Placement

if TYPE_CHECKING:
    from advisor.engine.stack import Situation
    from advisor.runs.advise import Advice

Steps = tuple[Placement, ...]


@dataclass(frozen=True)
class Draft:
    """A stack under way, with what can be undone and done again."""

    situation: Situation
    steps: Steps
    past: tuple[Steps, ...] = ()
    future: tuple[Steps, ...] = ()
    told: str = field(default="", compare=False)
    """What the latest change did, in words."""

    @cached_property
    def judged(self) -> Recommendation:
        """The stack as it stands, with estimates, warnings and reasons of the order."""
        from advisor.engine.evaluate import evaluate_steps

        return evaluate_steps(self.situation, self.steps)

    def move(self, place: int, by: int) -> Draft:
        """The step at `place` moved by so many places; the same draft where there is no room."""
        target = place + by
        if not (0 <= place < len(self.steps) and 0 <= target < len(self.steps)):
            return self
        steps = list(self.steps)
        steps.insert(target, steps.pop(place))
        return self._with(steps, f"{self.steps[place].technique} is step {target + 1} now.")

    def add(self, technique_id: str, place: int) -> Draft:
        """A technique as a new step at `place`. Raises AdvisorError for one that is in the stack or is no step."""
        technique = self.situation.knowledge.by_id.get(technique_id)
        if technique is None:
            raise AdvisorError(f"{technique_id!r} is no technique", hint="advisor techniques lists them")
        if technique.role == "support":
            raise AdvisorError(f"{technique.name} accompanies a step and is none itself", hint="take another")
        if any(step.technique == technique_id for step in self.steps):
            raise AdvisorError(f"{technique_id} is in the stack already", hint="move it, or change its settings")
        steps = [*self.steps[:place], Placement(technique_id), *self.steps[place:]]
        return self._with(steps, f"Added {technique_id} as step {place + 1}.")

    def drop(self, place: int) -> Draft:
        """The stack without the step at `place`."""
        if not 0 <= place < len(self.steps):
            return self
        return self._with([*self.steps[:place], *self.steps[place + 1 :]], f"Dropped {self.steps[place].technique}.")

    def configure(self, place: int, settings: Mapping[str, Any]) -> Draft:
        """The step at `place` with these settings instead of those it had.

        Raises AdvisorError for a setting that cannot be estimated.
        """
        step = self.steps[place]
        words = ", ".join(f"{key} {value}" for key, value in settings.items()) or "as the advisor chose"
        changed = self._with(
            [*self.steps[:place], replace(step, settings=dict(settings)), *self.steps[place + 1 :]],
            f"{step.technique}: {words}.",
        )
        _ = changed.judged
        return changed

    def chosen(self, place: int) -> dict[str, Any]:
        """What the advisor would set for the step at `place` if nobody said otherwise."""
        bare = list(self.steps)
        bare[place] = replace(bare[place], settings={})
        draft = Draft(self.situation, tuple(bare))
        try:
            steps = draft.plan().steps
        except AdvisorError:
            steps = ()
        planned = (step.config for step in steps if step.technique == bare[place].technique)
        return next(planned, draft.judged.stack[place].config)

    def fix(self) -> Draft:
        """The stack with its gravest fault repaired. Raises AdvisorError when no change that is known helps."""
        from advisor.engine.parts import part_of
        from advisor.engine.repair import repair

        knowledge = self.situation.knowledge
        order = [part_of(knowledge.technique(e.technique), e.config, e.acts_on) for e in self.judged.stack]
        found = repair(self.situation, order)
        if found is None:
            raise AdvisorError("no fix is known that makes this stack better", hint="move, drop or change a step")
        known = {step.technique: step for step in self.steps}
        changed = self._with([known.get(t, Placement(t)) for t in found.stack], f"The fix {found.text}.")
        refused = [w for w in changed.judged.warnings if w.code == "not-possible-here"]
        if len(refused) > sum(w.code == "not-possible-here" for w in self.judged.warnings):
            raise AdvisorError(f"the fix {found.text}, and that is not possible here", why=refused[0].text)
        return changed

    def undo(self) -> Draft:
        """The stack before the latest change."""
        if not self.past:
            return self
        return replace(
            self, steps=self.past[-1], past=self.past[:-1], future=(self.steps, *self.future), told="Undone."
        )

    def redo(self) -> Draft:
        """The stack after the change that was undone last."""
        if not self.future:
            return self
        return replace(
            self, steps=self.future[0], past=(*self.past, self.steps), future=self.future[1:], told="Done again."
        )

    def plan(self) -> Plan:
        """What would be executed. Raises AdvisorError naming the first thing that makes it impossible."""
        from advisor.engine.compile import compile_plan

        if not self.steps:
            raise AdvisorError("the stack is empty", hint="add a technique")
        if not self.judged.feasible:
            first = next(w for w in self.judged.warnings if w.severity is Severity.DANGER)
            raise AdvisorError("this stack cannot be run", why=first.text, hint=first.fix)
        return compile_plan(self.judged, self.situation.knowledge, self.situation.facts)

    def _with(self, steps: Sequence[Placement], told: str) -> Draft:
        return Draft(self.situation, tuple(steps), (*self.past, self.steps), (), told)


def begin(advice: Advice, profile: str = "default") -> Draft:
    """The recommended stack as the start of a draft."""
    from advisor.engine.stack import Situation

    situation = Situation(advice.knowledge, advice.facts, profile)
    return Draft(situation, tuple(_placed(entry) for entry in advice.recommendation.stack))


def _placed(entry: StackEntry) -> Placement:
    return Placement(entry.technique, {}, entry.because)
