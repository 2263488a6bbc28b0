"""Which data a step of a plan reads, as what, and what is measured beside it. Pure; paths are passed on, not opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.plan import DataSpec, Place, Recipe
from advisor.domain.recommendation import Recommendation
from advisor.domain.technique import DataUse, Technique
from advisor.domain.words import JUDGED, DataKind
from advisor.engine import sharing
from advisor.engine.carriers import PREFIXES

BUILTIN, REFERENCE = "builtin:stdlib", "builtin:reference"
TEMPORAL = "temporal-tagging"
WITH_PASSAGES = ("rag-aware", "raft")
OF_LANGUAGES = ("target-language", "both-languages")
_THEN_KIND = DataKind.INSTRUCTIONS
PREPARING = ("synthetic-data", "data-quality", "data-mixing", "instruction-format")
"""Techniques that make a data set, in the order they are run: written, cleaned, mixed, formatted."""
MIXING = "data-mixing"
CHECKPOINTING = "gradient-checkpointing"
EFFICIENT_SETTINGS: dict[str, dict[str, Any]] = {
    CHECKPOINTING: {"gradient_checkpointing": True},
    "mixed-precision": {"precision": "bf16"},
    "flash-attention": {"attention": "sdpa"},
    **{name: {"sharding": sharding} for name, sharding in sharing.BY_NAME.items()},
}
EFFICIENT = frozenset(EFFICIENT_SETTINGS)
"""Supports that are settings of the training they accompany. PyTorch's own attention chooses the fused kernel."""


def prepared_by(recommendation: Recommendation, knowledge: Knowledge, facts: Facts) -> tuple[str, ...]:
    """The techniques that prepare data before a training: those asked for, and mixing where general data is named."""
    supports = {support.technique for support in recommendation.supports}
    wanted = {t for t in PREPARING if t in facts.use}
    wanted |= {MIXING} & supports if facts.data_general_path is not None else set()
    is_trained = any(is_training(knowledge.technique(entry.technique)) for entry in recommendation.stack)
    return tuple(t for t in PREPARING if t in wanted) if is_trained else ()


def is_training(technique: Technique) -> bool:
    """Whether it learns from the data that the answers name."""
    return technique.data is not None and technique.data.use == "train"


def why_not_prepared(technique: Technique, facts: Facts) -> str:
    """Why a data set cannot be prepared so; empty when it can."""
    if technique.executor is None:
        return technique.why_not or "it has no executor in this version."
    if facts.data_path is None:
        return "no data is named; set data.path to a file or to builtin:stdlib."
    if technique.id == MIXING:
        why_not = _why_not_mixed(facts)
        if why_not:
            return why_not
    if technique.data is not None and technique.data.kinds and facts.data_kind not in technique.data.kinds:
        return f"data of kind {facts.data_kind} cannot be prepared so."
    return ""


def _why_not_mixed(facts: Facts) -> str:
    """Rows that carry a judgement are learnt from by a loss of their own, which has no use for rows without one."""
    general = general_data(facts)
    if general is None:
        return "no general data is named; set data.general to its path and kind."
    if facts.data_kind in JUDGED and general["kind"] != facts.data_kind:
        kind = facts.data_kind
        return f"rows of kind {general['kind']} cannot be learnt from as {kind}; name general data of that kind."
    return ""


def settings_of(technique: Technique, facts: Facts) -> dict[str, Any]:
    """What the answers say of one preparation."""
    if technique.id == MIXING:
        return {"general": general_data(facts)}
    is_of_language = technique.id == "data-quality" or technique.before is not None
    return {"language": facts.data_language} if is_of_language and facts.data_language else {}


def made_before(technique: Technique, facts: Facts) -> Technique | None:
    """The technique as the step that makes its data, where the data needs that; else None."""
    phase = technique.before
    if phase is None or facts.data_kind not in phase.kinds:
        return None
    return technique.model_copy(update={"executor": phase.executor, "config": phase.config, "data": None})


def why_not_told(technique: Technique, facts: Facts) -> str:
    """What a technique about time or language must be told and is not; empty when it knows enough."""
    if technique.id == TEMPORAL and facts.data_cutoff is None:
        return "the date up to which the model knows is not said; set data.cutoff."
    if made_before(technique, facts) is not None and facts.data_language is None:
        return "the language to translate into is not said; set data.language."
    return ""


def told(technique: Technique, facts: Facts) -> dict[str, Any]:
    """What the system prompt of temporal tagging says."""
    if technique.id != TEMPORAL or facts.data_cutoff is None:
        return {}
    text = (
        f"Your knowledge ends on {facts.data_cutoff}. You cannot know what happened later: say so when you are asked "
    )
    return {"system": f"{text}about it, and take dates given to you as they are."}


def accompanying(technique: Technique, facts: Facts, config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a training that a person asked for beside the technique: how it saves memory and time.

    `config`: its configuration. Where it cannot be sharded it is not; the advice says so.
    """
    settings: dict[str, Any] = {}
    if technique.executor not in sharing.TRAINERS:
        return settings
    if facts.train_optimizer is not None:
        settings["optimizer"] = facts.train_optimizer
    if (facts.train_processes or 1) > 1:
        settings["processes"] = facts.train_processes
    if sharing.machines(facts) > 1:
        settings |= {"machines": facts.train_machines, "rendezvous": facts.train_rendezvous}
        settings["processes"] = sharing.processes(config, technique, facts)
    if facts.train_sharding is not None and facts.train_sharding not in sharing.TITLES:
        settings["sharding"] = facts.train_sharding
    for support in EFFICIENT & set(facts.use) - set(sharing.BY_NAME):
        settings |= {} if gives_way(support, technique) else EFFICIENT_SETTINGS[support]
    if sharing.is_shared(config, technique, facts):
        settings |= {"sharding": sharing.kind(facts), "processes": sharing.processes(config, technique, facts)}
    return settings


def gives_way(support: str, technique: Technique) -> bool:
    """Whether a support cannot accompany a training: a prefix is lost under gradient checkpointing."""
    return support == CHECKPOINTING and technique.config.get("method") in PREFIXES


def data_of(facts: Facts, use: DataUse | None = None, dates: bool = False) -> dict[str, Any] | None:
    """The data that the answers name, with the recipe of its use; None when none is named.

    `dates`: what is trained is told the time of its data.
    """
    if facts.data_path is None or facts.data_kind is None:
        return None
    return _dumped(facts.data_path, facts.data_kind, _recipe(facts, use, dates))


def second_data(facts: Facts) -> dict[str, Any] | None:
    """The examples of a second phase; those of the built-in data where that is the corpus and nothing else is named."""
    path = facts.data_then_path or (BUILTIN if facts.data_path == BUILTIN else None)
    return _dumped(path, facts.data_then_kind or _THEN_KIND, None) if path else None


def general_data(facts: Facts) -> dict[str, Any] | None:
    """What is mixed in against forgetting, and what of it is held out measures the forgetting."""
    path = facts.data_general_path
    kind = facts.data_general_kind or (DataKind.TEXT if path == REFERENCE else facts.data_kind)
    return _dumped(path, kind, None) if path and kind else None


def _recipe(facts: Facts, use: DataUse | None, dates: bool) -> Recipe | None:
    if use is None or use.use != "train":
        return None
    if use.recipe is None:
        return Recipe(name="dated", date=facts.data_cutoff) if dates else None
    update: dict[str, Any] = {}
    if use.recipe.name in WITH_PASSAGES and facts.data_documents is not None:
        update["passages"] = Place(path=facts.data_documents)
    if use.recipe.name in OF_LANGUAGES:
        update["language"] = facts.data_language
    if use.recipe.name == "dated":
        update["date"] = facts.data_cutoff
    return use.recipe.model_copy(update=update)


def _dumped(path: str, kind: str, recipe: Recipe | None) -> dict[str, Any]:
    spec = DataSpec(path=path, kind=DataKind(kind), recipe=recipe)
    found = spec.model_dump(mode="json", exclude_none=True)
    if found["bad_rows"] == "fail":
        found.pop("bad_rows")
    return found
