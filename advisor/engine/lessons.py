"""Who teaches whom in a plan: the named teacher the model, else the model before it was pruned what is left of it.

Where neither is at hand a student is made of the model first. Whether probabilities can be compared is a fact; it is
found out by the probes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.plan import BASE, MODELS, ArtifactRef, Step
from advisor.domain.technique import Technique
from advisor.domain.words import ArtifactKind, Family

_BY_TOKEN = ("feature-distillation", "on-policy-distillation")
"""Distillations that compare two models token by token and have no form that learns text instead."""
STUDENT_LAYERS = 0.2
"""Share of a model's layers that its student lacks where nothing else made a student."""


def why_not(technique: Technique, facts: Facts, before: Sequence[Step], carrier: str | None) -> str:
    """Why the teacher cannot teach here; empty when it can, and for a step that needs none. `before`: the steps so far.
    `carrier`: what is trained of the student."""
    if technique.needs_teacher and facts.teacher_id is None and facts.has_teacher:
        return "the teacher is not named; set teacher.id to a folder or a hub id."
    if technique.id in _BY_TOKEN and facts.teacher_shares_vocabulary is False:
        return "the teacher has another vocabulary; response- and synthetic-data-distillation learn its text."
    if "student_layers" in settings(technique, facts, before) and carrier not in (None, "full-sft"):
        return (
            "the student is made by this step, and only a whole one can be handed on; prune first, or name a teacher."
        )
    return ""


def settings(technique: Technique, facts: Facts, before: Sequence[Step]) -> dict[str, Any]:
    """What a distillation is told of its student and teacher beyond its own settings. `before`: the steps so far."""
    if not technique.needs_teacher:
        return {}
    if facts.teacher_id is None:
        is_pruned = any(step.family is Family.PRUNE for step in before)
        return {} if is_pruned else {"student_layers": STUDENT_LAYERS}
    return {"form": "text"} if _learns_text(technique, facts) else {}


def notes(technique: Technique, facts: Facts) -> list[str]:
    """What a person should know of how it is taught."""
    if not _learns_text(technique, facts):
        return []
    return [f"{technique.name}: the teacher has another vocabulary, so its text is learnt (form: text)."]


def teacher(facts: Facts) -> str:
    """Where the teacher comes from: a further model of the plan, or the plan's own model as it was."""
    return BASE if facts.teacher_id is None else f"{MODELS}{len(facts.model_variants)}"


def teachers(steps: Sequence[Step], knowledge: Knowledge, facts: Facts) -> tuple[ArtifactRef, ...]:
    """The named teacher, last of the plan's further models, when a step of the chain is given it."""
    if facts.teacher_id is None or not any(knowledge.technique(s.technique).needs_teacher for s in steps):
        return ()
    return (ArtifactRef(kind=ArtifactKind.CAUSAL_LM, path=facts.teacher_id),)


def _learns_text(technique: Technique, facts: Facts) -> bool:
    return facts.teacher_shares_vocabulary is False and technique.config.get("form") == "logits"
