"""Training that several GPUs share, each with a part of the model: what can be, and where it was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from advisor.domain.facts import Facts
from advisor.domain.technique import Technique
from advisor.engine.carriers import METHODS

FSDP = "fsdp"
TRAINERS = frozenset({"finetune"})
"""Executors that can be shared."""
_SHARED_METHODS, _SHARED_OPTIMIZERS = ("lora", "full"), ("adamw", "sgd")
_BATCH = 8
"""The executors' own micro-batch, where a configuration says none."""
_WHERE = "this is done for lora and full-sft with adamw or sgd where asked for: use: [fsdp]."


def is_asked(facts: Facts) -> bool:
    """Whether a person wants it, and there is something to shard over: several GPUs, or processes on a CPU."""
    by_name = FSDP in facts.use and facts.gpu_count > 1
    return by_name or (facts.train_sharding == FSDP and (facts.gpu_count > 1 or not facts.has_gpu))


def why_impossible(config: Mapping[str, Any], technique: Technique, facts: Facts) -> str:
    """Why a step cannot be shared in this configuration; empty when it can."""
    if technique.executor not in TRAINERS:
        return f"{technique.id} is not shared by GPUs"
    method = _method(config, technique)
    if method not in _SHARED_METHODS or facts.model_quantized is not None or config.get("offload"):
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
    """Over how many processes: as said, else the most that share the rows of a step evenly, up to one per GPU."""
    if (facts.train_processes or 1) > 1:
        return facts.train_processes or 1
    all_rows = rows(config, technique)
    return next((n for n in range(max(2, facts.gpu_count), 1, -1) if all_rows % n == 0), 1)


def rows(config: Mapping[str, Any], technique: Technique) -> int:
    """Rows of one optimizer step."""
    known = {**technique.config, **config}
    return int(known.get("micro_batch", _BATCH)) * int(known.get("accumulation", 1))


def why_not_run(config: Mapping[str, Any], technique: Technique, facts: Facts) -> str:
    """Why a step cannot be executed on as many GPUs, or in as many processes, as it is planned for; empty when it can.

    `gpus` in a configuration: the training does not fit one of them, or not into the time there is.
    """
    gpus, said = int(config.get("gpus", 1)), facts.train_processes or 1
    if gpus > 1 and not is_shared(config, technique, facts):
        return f"it needs its model sharded over several GPUs; {_WHERE}"
    all_rows = rows(config, technique)
    if technique.executor in TRAINERS and said > 1 and all_rows % said:
        return f"{said} processes cannot share the {all_rows} rows of a step evenly; set train.micro_batch to {said}."
    if gpus > 1 and (count := processes(config, technique, facts)) < gpus:
        why = f"it needs {gpus} GPUs, and {count} processes share it"
        return f"{why}; set train.processes or train.micro_batch to a multiple of {gpus}."
    return ""


def why_none(steps: Sequence[tuple[Mapping[str, Any], Technique]], facts: Facts) -> str:
    """Why no step of a stack, each with its configuration, is shared; empty when one is."""
    found = [why_impossible(config, technique, facts) for config, technique in steps]
    if "" in found:
        return ""
    trained = [why for why, (_, t) in zip(found, steps, strict=True) if t.executor in TRAINERS]
    why = trained[0] if trained else "no step of the stack is a training that can be shared"
    return f"{why}; GPUs share what is trained with lora or full-sft, by adamw or sgd."


def _method(config: Mapping[str, Any], technique: Technique) -> str:
    told = config.get("method") or technique.config.get("method")
    return str(told or METHODS.get(config.get("carrier") or "lora", "lora"))
