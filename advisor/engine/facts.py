"""Facts: answers and what the probes saw, made flat, with every default that was taken.

What a person said wins over what a probe saw, which wins over the catalogue, which wins over a default.
Nothing is read from disk here, and no advice is given.
"""

from __future__ import annotations

import re
from typing import Any

from advisor.domain.answers import Answers, DataAnswer
from advisor.domain.facts import Default, Facts
from advisor.domain.knowledge import CatalogModel, Knowledge
from advisor.domain.profiles import DataProfile, HardwareProfile, ModelProfile
from advisor.engine.contradicted import contradicted, is_quantized
from advisor.engine.machine import hardware_facts, measured_facts, serving_gpu

SEQ_LEN = 1024
"""Tokens per example taken when nobody said: between the 512 and 2048 of the published tables."""
TEMPLATE_TOKENS = 64
"""What a chat template adds to a short conversation: roles, marks and a default system prompt."""
LENGTH_STEP, LONGEST = 64, 4096
"""Sequence lengths are rounded up to the step; longer examples are cut unless a length was given."""
PARAMS_B = 7.0
EXAMPLES = 1000
"""The least of the 1,000 to 10,000 that source 004, 3f, starts from."""
CORPUS_TOKENS = 100_000_000

_INSTRUCT = re.compile(r"(^|[-_./])(instruct|chat|it|sft|dpo|rlhf|assistant)($|[-_./\d])", re.IGNORECASE)
_SIZE = re.compile(r"(?<![\d.a-z])(\d+(?:\.\d+)?)\s*([bm])(?![a-z])", re.IGNORECASE)
_BEHAVIOR_BY_DATA = {"preferences": "alignment", "feedback": "alignment", "tool-calls": "tools"}
_ROWS = ("instructions", "qa-pairs", "preferences", "feedback", "rewards", "tool-calls", "parallel", "facts")


class _Defaults:
    """Collects what was taken without being told."""

    def __init__(self) -> None:
        self.taken: list[Default] = []

    def take(self, key: str, value: Any, because: str) -> Any:
        self.taken.append(Default(key=key, value=str(value), because=because))
        return value


def build_facts(
    knowledge: Knowledge,
    answers: Answers,
    hardware: HardwareProfile,
    model: ModelProfile | None,
    data: DataProfile | None,
) -> Facts:
    """Everything the engine goes by. Memory is what is free, per GPU, in GiB."""
    defaults = _Defaults()
    goals = tuple(dict.fromkeys(str(goal) for goal in (answers.goal, *answers.also)))
    machine = hardware_facts(knowledge.catalog, hardware)
    if machine["ram_gib"] is not None and hardware.ram_gib is not None and not hardware.is_simulated:
        told = f"what is free now of the machine's {hardware.ram_gib:.0f} GiB; said in the answers, it does not change"
        defaults.take("hardware.ram_gib", machine["ram_gib"], told)
    known: dict[str, Any] = {
        "goal": goals[0],
        "also": goals[1:],
        "goals": goals,
        **{name: getattr(answers, name) for name in ("knowledge", "static_choice", "behavior", "compute")},
        **{name: getattr(answers, name) for name in ("optimize_for", "expansion", "task")},
        **machine,
        **_model_facts(knowledge, answers, model, goals, defaults),
        "teacher_id": answers.teacher.id,
        "teacher_params_b": _teacher_params(knowledge, answers),
        "has_teacher": answers.teacher.id is not None or answers.teacher.params_b is not None,
        "train_micro_batch": answers.train.micro_batch,
        "train_tokens_budget": answers.train.tokens_budget,
        "train_optimizer": answers.train.optimizer,
        "train_processes": answers.train.processes,
        "train_sharding": answers.train.sharding,
        "train_machines": answers.train.machines,
        "train_rendezvous": answers.train.rendezvous,
        **_further_data(answers.data),
        **_data_facts(answers, data, goals, defaults),
        "needs": tuple(str(need) for need in answers.needs),
        "avoid": answers.avoid,
        "use": answers.use,
    }
    known |= _serve_facts(knowledge, answers, machine, defaults)
    known |= _choice_defaults(known, defaults)
    known |= measured_facts(hardware, machine, known["model_shape"].hidden if known["model_shape"] else None)
    return Facts(**known, defaults=tuple(defaults.taken), contradicted=contradicted(answers, model, data))


def _choice_defaults(known: dict[str, Any], defaults: _Defaults) -> dict[str, Any]:
    """The branch of each goal that most people take, where it was not said."""
    taken: dict[str, Any] = {}
    goals = known["goals"]
    if "ground-knowledge" in goals and known["knowledge"] is None:
        taken["knowledge"] = defaults.take(
            "knowledge", "dynamic", "retrieval is the safe side: no training, easy to update"
        )
    if "change-behavior" in goals and known["behavior"] is None:
        value = _BEHAVIOR_BY_DATA.get(known["data_kind"], "task")
        taken["behavior"] = defaults.take("behavior", value, "what the data at hand calls for")
    if "optimize" in goals and known["optimize_for"] is None:
        taken["optimize_for"] = defaults.take("optimize_for", "memory-latency", "the most common aim of compression")
    if "expand-knowledge" in goals and known["expansion"] is None:
        taken["expansion"] = defaults.take("expansion", "new-domain", "the most common aim of continued training")
    is_static = (taken.get("knowledge") or known["knowledge"]) == "static"
    if "ground-knowledge" in goals and is_static and known["static_choice"] is None:
        taken["static_choice"] = defaults.take(
            "static_choice", "retrieve", "retrieval is simpler than training knowledge in"
        )
    return taken


def _model_facts(
    knowledge: Knowledge, answers: Answers, model: ModelProfile | None, goals: tuple[str, ...], defaults: _Defaults
) -> dict[str, Any]:
    said = answers.model
    entry = _catalog_model(knowledge, said.id)
    shape = (model.shape if model else None) or (entry.shape if entry else None)
    params = said.params_b or (model.params_b if model else None) or (entry.params_b if entry else None)
    params = params or _params_in(said.id)
    if params is None:
        params = defaults.take("model.params_b", PARAMS_B, "a common size; say yours, it decides what fits")
    if shape is None:
        from advisor.engine.estimate.shapes import shape_from_params

        shape = shape_from_params(params)
        defaults.take("model.shape", f"{shape.layers} layers of width {shape.hidden}", "typical of models of this size")
    kind = said.kind or (model.kind if model else None) or _kind(said.id, entry)
    if kind is None:
        expands = goals[0] == "expand-knowledge"
        why = (
            "continued training starts best from a base model" if expands else "an instruct model needs fewer examples"
        )
        kind = defaults.take("model.kind", "base" if expands else "instruct", why)
    same_base = said.same_base
    if said.count > 1 and same_base is None:
        same_base = defaults.take("model.same_base", True, "only variants of one base can be merged")
    return {
        "model_id": said.id,
        "model_path": model.path if model else None,
        "model_params_b": params,
        "model_kind": kind,
        "model_quantized": _quantized(said.quantized or (model.quantized if model else None)),
        "model_count": said.count,
        "model_same_base": same_base,
        "model_variants": said.variants,
        "model_shape": shape,
    }


def _quantized(word: str | None) -> str | None:
    return word if is_quantized(word) else None


def _catalog_model(knowledge: Knowledge, model_id: str | None) -> CatalogModel | None:
    if model_id is None:
        return None
    wanted = model_id.lower()
    for entry in knowledge.catalog.models:
        if any(wanted == known.lower() for known in entry.ids):
            return entry
    return None


def _kind(model_id: str | None, entry: CatalogModel | None) -> str | None:
    if model_id is None:
        return None
    if _INSTRUCT.search(model_id):
        return "instruct"
    return entry.kind if entry else None


def _params_in(model_id: str | None) -> float | None:
    """Billions of parameters as the name says them: `Qwen2.5-7B` -> 7.0, `SmolLM2-135M` -> 0.135."""
    found = _SIZE.findall((model_id or "").rsplit("/", 1)[-1].replace("_", "-"))
    if not found:
        return None
    number, unit = found[0]
    return float(number) / (1000.0 if unit.lower() == "m" else 1.0) or None


def _teacher_params(knowledge: Knowledge, answers: Answers) -> float | None:
    entry = _catalog_model(knowledge, answers.teacher.id)
    return answers.teacher.params_b or (entry.params_b if entry else None) or _params_in(answers.teacher.id)


def _data_facts(
    answers: Answers, data: DataProfile | None, goals: tuple[str, ...], defaults: _Defaults
) -> dict[str, Any]:
    said = answers.data
    kind = str(said.kind) if said.kind else (str(data.kind) if data else None)
    examples = said.examples if said.examples is not None else (data.rows if data else None)
    tokens = said.tokens if said.tokens is not None else (data.tokens_total if data else None)
    if kind is None and examples == 0:
        kind = "none"
    if kind is None:
        kind = _expected_kind(answers, goals, examples, tokens, defaults)
    if kind in _ROWS and examples is None:
        examples = defaults.take("data.examples", EXAMPLES, "the least that guides start from")
    if kind == "none":
        examples = 0
    seq_len = said.seq_len or (_length_for(data.tokens.p95) if data and data.tokens else None)
    if seq_len is None:
        seq_len = defaults.take("data.seq_len", SEQ_LEN, "between the 512 and 2048 of published training tables")
    expands = "expand-knowledge" in goals or answers.static_choice == "embed"
    if kind in ("text", "documents") and tokens is None and examples:
        tokens = defaults.take("data.tokens", examples * seq_len, f"{examples} pieces of {seq_len} tokens")
    elif kind in ("text", "documents") and tokens is None and expands:
        tokens = defaults.take("data.tokens", CORPUS_TOKENS, "a small corpus of some hundred megabytes of text")
    return {
        "data_path": said.path,
        "data_kind": kind,
        "data_examples": examples,
        "data_tokens": tokens,
        "data_seq_len": seq_len,
        "data_row_tokens": _row_tokens(data),
        "data_longest_row": data.tokens.max if data and data.tokens else None,
    }


def _further_data(said: DataAnswer) -> dict[str, Any]:
    """What accompanies the main data: examples of a second phase, general data, passages, language, date."""
    then, general = said.then, said.general
    return {
        "data_then_path": then.path if then else None,
        "data_then_kind": str(then.kind) if then and then.kind else None,
        "data_general_path": general.path if general else None,
        "data_general_kind": str(general.kind) if general and general.kind else None,
        "data_documents": said.documents,
        "data_language": said.language,
        "data_cutoff": said.cutoff,
    }


def _row_tokens(data: DataProfile | None) -> int | None:
    """Tokens of an ordinary row: the mean where total and rows are known, since that is what a pass works through."""
    if data is None or data.tokens is None:
        return None
    if data.tokens_total and data.rows:
        return max(1, round(data.tokens_total / data.rows))
    return data.tokens.p50


def _length_for(longest: int) -> int:
    """The sequence length that holds examples of `longest` tokens once they are written in the chat template."""
    steps = -(-(longest + TEMPLATE_TOKENS) // LENGTH_STEP)
    return min(steps * LENGTH_STEP, LONGEST)


def _expected_kind(
    answers: Answers, goals: tuple[str, ...], examples: int | None, tokens: int | None, defaults: _Defaults
) -> str | None:
    """The kind of data a goal lives on, where it was not said; None where no data is needed."""
    goal = goals[0]
    if goal == "ground-knowledge":
        embeds = answers.static_choice == "embed"
        return str(defaults.take("data.kind", "qa-pairs" if embeds else "documents", "what this goal works on"))
    if goal == "expand-knowledge":
        kind = "documents" if answers.expansion == "freshness" else "text"
        return str(defaults.take("data.kind", kind, "what this goal works on"))
    if goal == "change-behavior":
        if answers.model.count > 1 or answers.behavior == "quick":
            return None
        kind = {"alignment": "preferences", "tools": "none"}.get(answers.behavior or "task", "instructions")
        if answers.behavior == "tools" and examples:
            kind = "tool-calls"
        return str(defaults.take("data.kind", kind, "what this goal works on"))
    return "text" if tokens else None


def _serve_facts(
    knowledge: Knowledge, answers: Answers, machine: dict[str, Any], defaults: _Defaults
) -> dict[str, Any]:
    said = answers.serve
    target = said.target
    if target is None:
        target = defaults.take("serve.target", "gpu" if machine.get("has_gpu") else "cpu", "served where it is trained")
    facts: dict[str, Any] = {
        "serve_target": target,
        "serve_gpu": said.gpu,
        "serve_gib": said.memory_gib,
        "serve_batch": said.batch,
        "serve_bits": said.bits,
        "serve_runtime": said.runtime,
    }
    if target == "gpu":
        return facts | serving_gpu(knowledge.catalog, said.gpu, said.memory_gib, machine)
    if target == "cpu" and said.memory_gib is None:
        facts["serve_gib"] = machine.get("ram_gib")
    return facts
