"""Training that several GPUs share, each with a part of what is held: what can be, and where it was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from advisor.domain.facts import Facts
from advisor.domain.technique import Technique
from advisor.domain.words import ArtifactKind
from advisor.engine.carriers import METHODS

FSDP, ZERO = "fsdp", "deepspeed-zero"
BY_NAME = {FSDP: "fsdp", ZERO: "zero2"}
"""Supports that share a training, and the sharding that each stands for where `train.sharding` says none."""
TITLES = {"fsdp": "FSDP", "zero1": "ZeRO-1", "zero2": "ZeRO-2", "zero3": "ZeRO-3"}
STATES_ALONE = "zero1"
"""Each GPU has the whole model, so that every way of training can be shared so, and none larger than one GPU."""
TRAINERS = frozenset({"finetune"})
"""Executors that can be shared."""
_SHARED_METHODS, _SHARED_OPTIMIZERS = ("lora", "full"), ("adamw", "sgd")
_BATCH = 8
"""The executors' own micro-batch, where a configuration says none."""
_WHERE = "this is done for lora and full-sft with adamw or sgd where asked for: use: [fsdp], or train.sharding: zero3."


def kind(facts: Facts) -> str:
    """The sharding that was asked for, by `train.sharding` or a support's name; fsdp where none was."""
    if facts.train_sharding in TITLES:
        return str(facts.train_sharding)
    return next((sharding for name, sharding in BY_NAME.items() if name in facts.use), "fsdp")


def support(facts: Facts) -> str:
    """The support that the sharding asked for belongs to."""
    return FSDP if kind(facts) == "fsdp" else ZERO


def is_asked(facts: Facts) -> bool:
    """Whether a person wants it, and there is something to shard over: several GPUs, or processes on a CPU."""
    gpus = facts.gpu_count * machines(facts)
    is_divided = gpus > 1 or (not facts.has_gpu and max(facts.train_processes or 1, machines(facts)) > 1)
    by_name = any(name in facts.use for name in BY_NAME) and is_divided
    return by_name or (facts.train_sharding in TITLES and (gpus > 1 or not facts.has_gpu))


def machines(facts: Facts) -> int:
    """How many machines share a training."""
    return facts.train_machines or 1


def why_impossible(config: Mapping[str, Any], technique: Technique, facts: Facts) -> str:
    """Why a step cannot be shared in this configuration; empty when it can."""
    if technique.executor not in TRAINERS:
        return f"{technique.id} is not shared by GPUs"
    method = _method(config, technique)
    is_packed = method not in _SHARED_METHODS or facts.model_quantized is not None or config.get("offload")
    if is_packed and kind(facts) != STATES_ALONE:
        return f"{technique.id} trains {'beside packed weights' if method in _SHARED_METHODS else f'with {method}'}"
    used = {{**technique.config, **config}.get("optimizer", "adamw"), facts.train_optimizer or "adamw"}
    other = sorted(used.difference(_SHARED_OPTIMIZERS))
    if other:
        return f"{technique.id} trains with {other[0]}"
    if processes(config, technique, facts) < 2:
        return f"the {rows(config, technique)} rows of a step of {technique.id} cannot be shared evenly"
    return ""


def is_shared(config: Mapping[str, Any], technique: Technique, facts: Facts) -> bool:
    """Whether the plan shares this step: it was asked for, and can be."""
    return is_asked(facts) and not why_impossible(config, technique, facts)


def processes(config: Mapping[str, Any], technique: Technique, facts: Facts) -> int:
    """Over how many processes, of all machines together: as said, else the most that share the rows of a step evenly,
    up to one per GPU, or per machine where there are none."""
    if (facts.train_processes or 1) > 1:
        return facts.train_processes or 1
    all_rows, apart = rows(config, technique), machines(facts)
    most = max(2, max(1, facts.gpu_count) * apart)
    return next((n for n in range(most, 1, -1) if all_rows % n == 0 and n % apart == 0), 1)


def rows(config: Mapping[str, Any], technique: Technique) -> int:
    """Rows of one optimizer step."""
    known = {**technique.config, **config}
    return int(known.get("micro_batch", _BATCH)) * int(known.get("accumulation", 1))


def why_not_run(
    config: Mapping[str, Any], technique: Technique, facts: Facts, start: ArtifactKind = ArtifactKind.CAUSAL_LM
) -> str:
    """Why a step cannot be executed on as many GPUs, or in as many processes, as it is planned for; empty when it can.

    `gpus` in a configuration: the training does not fit one of them, or not into the time there is. `start`: what the
    steps before it leave of the model.
    """
    is_whole = start is ArtifactKind.CAUSAL_LM or kind(facts) == STATES_ALONE
    if not is_whole and is_shared(config, technique, facts):
        why = f"{TITLES[kind(facts)]} does not divide a {start}, whose masks or packed weights are kept whole"
        return f"{why}; set train.sharding to {STATES_ALONE}, leave sharding out, or train before it is made."
    gpus, said = int(config.get("gpus", 1)), facts.train_processes or 1
    if gpus > 1 and not is_shared(config, technique, facts):
        return f"it needs its model sharded over several GPUs; {_WHERE}"
    if gpus > 1 and config.get("sharding") == FSDP and kind(facts) in ("zero1", "zero2"):
        return f"{TITLES[kind(facts)]} does not divide the weights while a step computes; set train.sharding to zero3."
    all_rows = rows(config, technique)
    if technique.executor in TRAINERS and said > 1 and all_rows % said:
        return f"{said} processes cannot share the {all_rows} rows of a step evenly; set train.micro_batch to {said}."
    apart, count = machines(facts), processes(config, technique, facts)
    if technique.executor in TRAINERS and apart > 1 and count < apart:
        return f"{apart} machines cannot share the {all_rows} rows of a step evenly; set train.micro_batch to {apart}."
    if gpus > 1 and count // apart < gpus:
        why = f"it needs {gpus} GPUs of each machine, and {count // apart} processes share it there"
        why = why if apart > 1 else f"it needs {gpus} GPUs, and {count} processes share it"
        return f"{why}; set train.processes or train.micro_batch to a multiple of {gpus * apart}."
    return ""


def why_none(steps: Sequence[tuple[Mapping[str, Any], Technique]], facts: Facts) -> str:
    """Why no step of a stack, each with its configuration, is shared; empty when one is."""
    found = [why_impossible(config, technique, facts) for config, technique in steps]
    if "" in found:
        return ""
    trained = [why for why, (_, t) in zip(found, steps, strict=True) if t.executor in TRAINERS]
    why = trained[0] if trained else "no step of the stack is a training that can be shared"
    methods = "any fine-tuning" if kind(facts) == STATES_ALONE else "what is trained with lora or full-sft"
    return f"{why}; GPUs share {methods}, by adamw or sgd."


def _method(config: Mapping[str, Any], technique: Technique) -> str:
    told = config.get("method") or technique.config.get("method")
    return str(told or METHODS.get(config.get("carrier") or "lora", "lora"))
