"""`compile_plan`: a recommendation as a plan that can be executed: settings, data, inputs wired from step to step.

What cannot be executed here becomes a note that says why. Paths are passed on, not opened; files are not read.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from advisor.domain.errors import AdvisorError
from advisor.domain.estimate import StepEstimate
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.measurement import settings_digest
from advisor.domain.plan import BASE, MODELS, STEP, ArtifactRef, EvaluationSpec, Plan, Step
from advisor.domain.recommendation import Recommendation, StackEntry
from advisor.domain.technique import DataUse, Phase, Technique
from advisor.domain.words import ActsOn, ArtifactKind, DataKind, Family
from advisor.engine import learned_data, lessons
from advisor.engine.carriers import METHODS
from advisor.engine.estimate.evaluation import evaluation_seconds
from advisor.engine.estimate.workload import model_shape
from advisor.engine.gates import gate
from advisor.engine.linking import Chain
from advisor.engine.measured import ASKED_WITH, evaluation_of
from advisor.engine.parts import Part, after, part_of, start_state, why_not_after
from advisor.engine.runnable import why_not as why_not_runnable
from advisor.engine.schedule import schedule
from advisor.engine.wanted import TOLD_IN_PLANS

_NOT_FOR_EXECUTORS = ("carrier", "sharding", "gpus", "offload")


def compile_plan(recommendation: Recommendation, knowledge: Knowledge, facts: Facts) -> Plan:
    """The executable steps of a recommendation, in its order.

    Raises AdvisorError when nothing is feasible, no model is named, nothing in the stack can be executed here, or a
    step cannot start from what the steps before it leave.
    """
    if not recommendation.feasible:
        raise AdvisorError("there is nothing to execute", why="nothing is feasible in this situation", hint="see flips")
    model = facts.model_path or facts.model_id
    if model is None:
        raise AdvisorError("no model is named", why="a plan runs on one", hint="set model.id to a hub id or a folder")
    chain = Chain(start_state(facts))
    chain.tells_dates = any(entry.technique == learned_data.TEMPORAL for entry in recommendation.stack)
    for technique_id in learned_data.prepared_by(recommendation, knowledge, facts):
        _prepare(knowledge.technique(technique_id), facts, chain)
    for entry in recommendation.stack:
        _compile(entry, knowledge.technique(entry.technique), facts, chain)
    if not chain.steps:
        why = "; ".join(chain.notes)
        raise AdvisorError(
            "no step of the stack can be executed here", why=why, hint="advisor techniques lists those that can"
        )
    return Plan(
        name=_name(model, chain.steps),
        model=ArtifactRef(kind=start_state(facts).kind, path=facts.model_id or model),
        models=(*_variants(facts), *lessons.teachers(chain.steps, knowledge, facts)),
        steps=tuple(chain.steps),
        evaluation=_evaluation(knowledge, facts, chain),
        notes=(*chain.notes, *(w.text for w in recommendation.warnings if w.code in TOLD_IN_PLANS)),
    )


def _evaluation(knowledge: Knowledge, facts: Facts, chain: Chain) -> EvaluationSpec:
    """What is measured of every model, and how long one time is expected to take."""
    techniques = [knowledge.technique(step.technique) for step in chain.steps]
    found = evaluation_of(facts, techniques, set(chain.beside), chain.tells_dates)
    shape = model_shape(facts)
    if shape is None:
        return found
    return found.model_copy(update={"seconds": evaluation_seconds(shape, facts, found.config)})


def _prepare(technique: Technique, facts: Facts, chain: Chain) -> None:
    """A step that makes a better data set of the one before it, or of the one the answers name."""
    why_not = learned_data.why_not_prepared(technique, facts)
    if why_not:
        chain.notes.append(f"{technique.name} ({technique.id}) is not run here: {why_not}")
        return
    made = chain.beside.get(ArtifactKind.DATASET)
    data = learned_data.data_of(facts) or {}
    data |= {"path": f"{STEP}{made}"} if made is not None else {}
    step = Step(
        number=len(chain.steps) + 1,
        technique=technique.id,
        family=technique.family,
        executor=str(technique.executor),
        config={**technique.config, "data": data, **learned_data.settings_of(technique, facts)},
        inputs={"model": BASE, **({"data": made} if made is not None else {})},
        produces=ArtifactKind.DATASET,
    )
    chain.add(step, chain.state)


def _compile(entry: StackEntry, technique: Technique, facts: Facts, chain: Chain) -> None:
    part = part_of(technique, entry.config, entry.acts_on)
    why_not = (
        why_not_runnable(entry.config, technique, facts, chain.state.kind)
        or _why_no_merge(part, facts, chain)
        or lessons.why_not(technique, facts, chain.steps, entry.config.get("carrier"))
    )
    if why_not:
        chain.notes.append(f"{technique.name} ({technique.id}) is not run here: {why_not}")
        return
    following = after(chain.state, part)
    if following is None and chain.notes:
        chain.notes.append(f"{technique.name} ({technique.id}) is not run here: a step that it builds on is not.")
        return
    if following is None:
        why = why_not_after(chain.state, part)
        raise AdvisorError(f"the chain breaks at {technique.id}", why=why, hint="reorder the stack")
    for phase in technique.stages:
        _add_stage(phase, entry, technique, part, facts, chain)
    number = len(chain.steps) + 1
    config = {**_config(entry, technique, facts, chain), **lessons.settings(technique, facts, chain.steps)}
    step = Step(
        number=number,
        technique=technique.id,
        family=technique.family,
        executor=str(technique.executor),
        config=config,
        inputs={**_inputs(part, technique, facts, chain), **_data_input(technique.data, chain), **_judged(chain)},
        produces=following.kind if part.folds_adapter else part.produces or following.kind,
        estimate=_for_settings(entry.estimate, config, facts),
        max_regression=None if _merges_variants(part) else gate(entry, technique),
        gate_on=technique.gate_on,
    )
    chain.notes += lessons.notes(technique, facts)
    chain.add(step, following)
    if technique.then is not None:
        _add_phase(step, technique.then, part, technique, facts, chain)


def _add_stage(phase: Phase, entry: StackEntry, technique: Technique, part: Part, facts: Facts, chain: Chain) -> None:
    """A stage before the technique's own step: the same way of training, on the same data, with its own settings."""
    config = _config(entry, technique, facts, chain)
    kept = {key: value for key, value in config.items() if key not in technique.config}
    produces = phase.produces or part.produces or chain.state.kind
    if produces is ArtifactKind.DATASET:
        kept = {key: value for key, value in kept.items() if key in ("data", "seq_len")}
    step = Step(
        number=len(chain.steps) + 1,
        technique=technique.id,
        family=technique.family,
        executor=phase.executor,
        config={**kept, **phase.config},
        inputs=_inputs(part, technique, facts, chain) if phase.produces is None else chain.given(),
        produces=produces,
    )
    has_adapter = chain.state.has_adapter or produces is ArtifactKind.ADAPTER
    chain.add(step, replace(chain.state, has_adapter=has_adapter))


def _add_phase(first: Step, phase: Phase, part: Part, technique: Technique, facts: Facts, chain: Chain) -> None:
    """The second phase: the same way of training goes on from what the first left, on the second data."""
    config = {key: value for key, value in first.config.items() if key not in ("data", "packing", *technique.config)}
    step = Step(
        number=len(chain.steps) + 1,
        technique=technique.id,
        family=technique.family,
        executor=phase.executor,
        config={**config, **phase.config, "data": learned_data.second_data(facts)},
        inputs=_inputs(part, technique, facts, chain),
        produces=first.produces,
    )
    chain.add(step, chain.state)


def _for_settings(found: StepEstimate, config: dict[str, Any], facts: Facts) -> StepEstimate:
    """The estimate, marked with what it was made for: an edited step is not what was predicted."""
    if found.basis is None:
        return found
    digest = settings_digest(config, facts.model_id or facts.model_path or "")
    return found.model_copy(update={"basis": found.basis.model_copy(update={"settings": digest})})


def _merges_variants(part: Part) -> bool:
    return part.family is Family.MERGE and part.acts_on is ActsOn.MERGED


def _variants(facts: Facts) -> tuple[ArtifactRef, ...]:
    return tuple(ArtifactRef(kind=ArtifactKind.CAUSAL_LM, path=path) for path in facts.model_variants)


def _why_no_merge(part: Part, facts: Facts, chain: Chain) -> str:
    """Why variants cannot be merged at this place; empty when they can, and for any other step."""
    if not _merges_variants(part):
        return ""
    if not facts.model_variants:
        return "the models to merge are not named; list their folders or hub ids in model.variants."
    return "" if chain.model == BASE else "the variants are merged before anything else is done to the model."


def _inputs(part: Part, technique: Technique, facts: Facts, chain: Chain) -> dict[str, str]:
    if _merges_variants(part):
        origins = [f"{MODELS}{number}" for number in range(len(facts.model_variants))]
        return {"model": chain.model, **{origin: origin for origin in origins}}
    inputs = {"model": chain.model}
    if technique.needs_teacher:
        return {**inputs, "teacher": lessons.teacher(facts)}
    if chain.adapter is not None:
        inputs["adapter"] = chain.adapter
    if part.produces in (ArtifactKind.INDEX, ArtifactKind.PROMPT):
        # Measured with the model as it stands, and with what stands beside it already.
        beside = {kind.value: chain.beside[kind] for kind in ASKED_WITH if kind in chain.beside}
        return {**inputs, **beside}
    return inputs if part.folds_adapter or part.produces is ArtifactKind.ADAPTER else {"model": chain.model}


def _judged(chain: Chain) -> dict[str, str]:
    """The reward model that a stage of the technique has just made."""
    made = chain.beside.pop(ArtifactKind.REWARD_MODEL, None)
    return {ArtifactKind.REWARD_MODEL.value: made} if made is not None else {}


def _data_input(use: DataUse | None, chain: Chain) -> dict[str, str]:
    """What is trained reads the data that the steps before it prepared."""
    made = chain.beside.get(ArtifactKind.DATASET)
    return {"data": made} if made is not None and use is not None and use.use == "train" else {}


def _config(entry: StackEntry, technique: Technique, facts: Facts, chain: Chain) -> dict[str, Any]:
    own = {key: value for key, value in entry.config.items() if key not in _NOT_FOR_EXECUTORS}
    if "carrier" in entry.config and "method" not in technique.config:
        own["method"] = METHODS[entry.config["carrier"]]
    if technique.data is not None and technique.data.use == "train":
        own |= learned_data.accompanying(technique, facts, entry.config)
    config = {**technique.config, **own, **learned_data.told(technique, facts)}
    data = learned_data.data_of(facts, technique.data, chain.tells_dates)
    if technique.data is None or data is None or not _reads(technique.data, facts):
        return config
    made = _data_input(technique.data, chain)
    if made and any(phase.produces is ArtifactKind.DATASET for phase in technique.stages):
        data = {"kind": DataKind.PREFERENCES.value}  # judged answers are what such a stage makes
    data |= {"path": f"{STEP}{made['data']}"} if made else {}
    if technique.data.use == "train":
        return {**technique.config, "data": data, **schedule(config, technique, facts), **own}
    return {**config, "data": data}


def _reads(use: DataUse, facts: Facts) -> bool:
    """Optional data is handed on only where the executor can read it; other data was checked before."""
    return not use.optional or not use.kinds or facts.data_kind in use.kinds


def _name(model: str, steps: list[Step]) -> str:
    """A name for the run: the model and what is done to it."""
    words = [re.split(r"[/:\\]", model.rstrip("/\\"))[-1], *(step.technique for step in steps)]
    name = re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")
    return name[:80].strip("-") or "run"
