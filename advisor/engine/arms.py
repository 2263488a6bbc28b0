"""`arms_of`: the ways that are compared, each as a plan like any other: prompt, retrieval, adapter, and both together.

Pure. All arms share model, seed and evaluation, so that what they measure can be paired question by question.
"""

from __future__ import annotations

from typing import Any

from advisor.domain.comparison import Arm
from advisor.domain.errors import AdvisorError
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.plan import EvaluationSpec, Plan
from advisor.domain.recommendation import Recommendation, StackEntry
from advisor.domain.words import ArtifactKind, DataKind, Family
from advisor.engine.compile import compile_plan

BASE, PROMPT, RETRIEVAL, ADAPTER, BOTH, AWARE = (
    "bare model", "prompt", "retrieval", "adapter", "retrieval with adapter", "retrieval with context training",
)  # fmt: skip
"""The bare model has no plan of its own: it is the baseline of every other arm."""
CONTEXT_TRAINED = ("rag-aware-sft", "raft")
_PROMPTS = ("few-shot", "zero-shot", "system-prompt", "chain-of-thought")
_ADAPTERS = ("lora", "qlora", "dora")
_ANSWERING = (DataKind.INSTRUCTIONS, DataKind.QA_PAIRS)
_READ = (DataKind.DOCUMENTS, DataKind.TEXT)
_BUILTIN = "builtin:stdlib"


def arms_of(recommendation: Recommendation, knowledge: Knowledge, facts: Facts, questions: int) -> tuple[Arm, ...]:
    """Every arm, cheapest first; those that cannot be run here say why."""
    read, learnt = _reading(facts), _answering(facts)
    prompt = _first(recommendation, Family.PROMPT, _PROMPTS) or "few-shot"
    index = _first(recommendation, Family.RETRIEVE, ("basic-rag", "hybrid-rag")) or "basic-rag"
    adapter = _first(recommendation, Family.FINETUNE, _ADAPTERS) or "lora"
    aware = next((t for t in CONTEXT_TRAINED if t in _ids(recommendation)), CONTEXT_TRAINED[0])
    chains = (
        (PROMPT, ((prompt, learnt or facts),)),
        (RETRIEVAL, ((index, read),)),
        (ADAPTER, ((adapter, learnt),)),
        (BOTH, ((adapter, learnt), (index, read))),
        (AWARE, ((aware, learnt), (index, read))),
    )
    arms = tuple(_arm(name, chain, knowledge, recommendation) for name, chain in chains)
    looks_up = any(step.produces is ArtifactKind.INDEX for arm in arms if arm.plan for step in arm.plan.steps)
    evaluation = _evaluation(read if looks_up else None, learnt or facts, questions)
    return tuple(
        arm.model_copy(update={"plan": arm.plan.model_copy(update={"evaluation": evaluation})}) if arm.plan else arm
        for arm in arms
    )


def recommended_arm(recommendation: Recommendation) -> str:
    """The arm that the recommended stack amounts to."""
    entries = [entry for entry in recommendation.stack if entry.family is not Family.PROMPT] or recommendation.stack
    families = {entry.family for entry in entries}
    trains = bool(families & {Family.FINETUNE, Family.ALIGN, Family.PRETRAIN, Family.DISTILL, Family.EDIT})
    if Family.RETRIEVE in families:
        if not trains:
            return RETRIEVAL
        return AWARE if set(CONTEXT_TRAINED) & set(_ids(recommendation)) else BOTH
    if trains:
        return ADAPTER
    return PROMPT if Family.PROMPT in families else BASE


def _arm(
    name: str,
    chain: tuple[tuple[str, Facts | None], ...],
    knowledge: Knowledge,
    recommendation: Recommendation,
) -> Arm:
    techniques = tuple(technique for technique, _ in chain)
    for technique, facts in chain:
        if facts is None:
            kinds = (
                "documents" if knowledge.technique(technique).family is Family.RETRIEVE else "questions with answers"
            )
            return Arm(name=name, techniques=techniques, why_not=f"{technique} needs {kinds}, and none are named")
    try:
        plan = _joined([(t, f) for t, f in chain if f is not None], knowledge, recommendation)
    except AdvisorError as error:
        return Arm(name=name, techniques=techniques, why_not=error.why or error.what)
    if len(plan.steps) < len(chain) or plan.steps[-1].technique != techniques[-1]:
        return Arm(name=name, techniques=techniques, why_not="; ".join(plan.notes)[:400])
    slug = name.replace(" ", "-")
    return Arm(name=name, techniques=techniques, plan=plan.model_copy(update={"name": slug}))


def _joined(chain: list[tuple[str, Facts]], knowledge: Knowledge, recommendation: Recommendation) -> Plan:
    """One plan whose steps read different data: each compiled in its place, with its own facts."""
    plans = []
    for technique, facts in chain:
        stack = (_entry(technique, knowledge, recommendation),)
        alone = recommendation.model_copy(update={"feasible": True, "stack": stack, "supports": ()})
        plans.append(compile_plan(alone, knowledge, facts))
    steps = [step.model_copy(update={"max_regression": None}) for step in plans[0].steps]
    for plan in plans[1:]:
        before = steps[-1]
        below = {before.produces.value: str(before.number)}
        for step in plan.steps:
            inputs = {**step.inputs, **below}
            steps.append(step.model_copy(update={"number": len(steps) + 1, "inputs": inputs, "max_regression": None}))
    return plans[0].model_copy(update={"steps": tuple(steps), "notes": sum((plan.notes for plan in plans), ())})


def _entry(technique_id: str, knowledge: Knowledge, recommendation: Recommendation) -> StackEntry:
    known = next((entry for entry in recommendation.stack if entry.technique == technique_id), None)
    technique = knowledge.technique(technique_id)
    if known is not None:
        return known
    entry = StackEntry(technique=technique.id, family=technique.family, executable=technique.is_executable)
    if technique_id in CONTEXT_TRAINED:
        return entry.model_copy(update={"config": {"carrier": "lora"}})
    return entry


def _first(recommendation: Recommendation, family: Family, known: tuple[str, ...]) -> str | None:
    return next((e.technique for e in recommendation.stack if e.family is family and e.technique in known), None)


def _ids(recommendation: Recommendation) -> list[str]:
    return [entry.technique for entry in recommendation.stack]


def _reading(facts: Facts) -> Facts | None:
    """The facts with documents as their data; None when there are none."""
    if facts.data_path == _BUILTIN:
        return facts.model_copy(update={"data_kind": DataKind.DOCUMENTS.value})
    if facts.data_path is not None and facts.data_kind in _READ:
        return facts
    if facts.data_documents is not None:
        return facts.model_copy(update={"data_path": facts.data_documents, "data_kind": DataKind.DOCUMENTS.value})
    return None


def _answering(facts: Facts) -> Facts | None:
    """The facts with questions and answers as their data; None when there are none."""
    if facts.data_path == _BUILTIN:
        return facts.model_copy(update={"data_kind": DataKind.INSTRUCTIONS.value})
    if facts.data_path is not None and facts.data_kind in _ANSWERING:
        return facts
    if facts.data_then_path is not None and facts.data_then_kind in _ANSWERING:
        return facts.model_copy(update={"data_path": facts.data_then_path, "data_kind": facts.data_then_kind})
    return None


def _evaluation(read: Facts | None, learnt: Facts, questions: int) -> EvaluationSpec:
    """Nothing but the questions, and a few losses that show that the model computes.

    Where something is looked up they are about the documents, and the passage cited is judged, too; else they are the
    held-out questions of the data.
    """
    facts = read or learnt
    data: dict[str, Any] = {"path": facts.data_path or _BUILTIN, "kind": facts.data_kind or DataKind.INSTRUCTIONS.value}
    asked = {"max_examples": 2, "questions": questions} if read is not None else {
        "max_examples": questions, "answers": questions,
    }  # fmt: skip
    counts = {"multiple_choice": 0, "generate_tokens": 0, "answer_tokens": 48, "seq_len": 256}
    return EvaluationSpec(config={"data": data, **asked, **counts})
