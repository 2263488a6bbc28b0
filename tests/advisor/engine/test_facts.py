"""Tests of facts: who wins, what is taken as default, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.domain.answers import Answers
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.profiles import DataProfile, GpuProfile, HardwareProfile, ModelProfile
from advisor.domain.words import DataKind
from advisor.engine.facts import build_facts

Build = Callable[[Mapping[str, Any]], Facts]


def taken(facts: Facts) -> dict[str, str]:
    return {default.key: default.value for default in facts.defaults}


def test_every_default_is_told(facts_of: Build) -> None:
    """A bare goal gives facts, and everything that was assumed is listed with a reason."""
    facts = facts_of({"goal": "change-behavior"})
    assert {"behavior", "model.params_b", "model.kind", "data.kind", "data.examples", "serve.target"} <= set(
        taken(facts)
    )
    assert all(default.because for default in facts.defaults)


def test_what_is_said_is_no_default(facts_of: Build) -> None:
    """A value that was given is not told as assumed."""
    facts = facts_of({"goal": "optimize", "optimize_for": "throughput", "model": {"params_b": 3, "kind": "base"}})
    assert not {"optimize_for", "model.params_b", "model.kind"} & set(taken(facts))


def test_answers_win_over_probes(knowledge: Knowledge) -> None:
    """The person's word counts more than the file's."""
    values = {
        "goal": "change-behavior",
        "data": {"examples": 7, "path": "d.jsonl"},
        "model": {"id": "x", "kind": "base"},
    }
    data = DataProfile(path="d.jsonl", kind=DataKind.PREFERENCES, rows=500)
    model = ModelProfile(id="x", kind="instruct", params_b=2.0)
    facts = build_facts(knowledge, Answers.model_validate(values), HardwareProfile(), model, data)
    assert (facts.data_examples, facts.data_kind) == (7, "preferences")
    assert (facts.model_kind, facts.model_params_b) == ("base", 2.0)
    assert facts.behavior == "alignment"


def test_a_gpu_that_is_taken_does_not_count(knowledge: Knowledge) -> None:
    """Of two equal GPUs of which somebody else fills one, the free one is what there is."""
    gpus = tuple(
        GpuProfile(uuid=str(n), name="A100", total_gib=80, free_gib=free) for n, free in enumerate((2.0, 78.0))
    )
    facts = build_facts(knowledge, Answers(goal="optimize"), HardwareProfile(gpus=gpus), None, None)
    assert (facts.gpu_gib, facts.gpu_count, facts.gpu_total_gib) == (78.0, 1, 78.0)


def test_free_memory_per_gpu_decides(knowledge: Knowledge) -> None:
    """Free, not total; the fullest of equal GPUs limits what each can take; hidden ones do not count."""
    gpus = tuple(
        GpuProfile(uuid=str(n), name="RTX 4090", total_gib=24, free_gib=free, is_visible=n < 2)
        for n, free in enumerate((20.0, 22.0, 24.0))
    )
    facts = build_facts(knowledge, Answers(goal="optimize"), HardwareProfile(gpus=gpus), None, None)
    assert (facts.gpu_gib, facts.gpu_count, facts.gpu_total_gib) == (20.0, 2, 42.0)
    assert facts.gpu_capability == 8.9


def test_free_ram_counts(knowledge: Knowledge) -> None:
    """Of the RAM, too, what is free decides."""
    facts = build_facts(knowledge, Answers(goal="optimize"), HardwareProfile(ram_gib=16, ram_free_gib=9), None, None)
    assert facts.ram_gib == 9


@pytest.mark.parametrize(
    ("model_id", "params_b", "kind"),
    [("someone/Thing-7B-Instruct", 7.0, "instruct"), ("someone/thing-350m-chat", 0.35, "instruct")],
)
def test_name_tells_size_and_kind(model_id: str, params_b: float, kind: str, facts_of: Build) -> None:
    """An id that is in no catalogue still says how large the model is and whether it was tuned."""
    facts = facts_of({"goal": "optimize", "model": {"id": model_id}})
    assert (facts.model_params_b, facts.model_kind) == (params_b, kind)
    assert facts.model_shape is not None


def test_catalogue_gives_the_architecture(facts_of: Build) -> None:
    """A known id gives its exact shape."""
    facts = facts_of({"goal": "optimize", "model": {"id": "meta-llama/Llama-3.1-8B"}})
    assert facts.model_shape is not None and facts.model_shape.vocab == 128256


def test_serving_gpu_of_its_own(facts_of: Build) -> None:
    """Where it is served may be another GPU than where it is made."""
    hardware = {"gpus": [{"name": "A100", "memory_gib": 40}]}
    facts = facts_of({"goal": "optimize", "hardware": hardware, "serve": {"target": "gpu", "gpu": "RTX 4090"}})
    assert (facts.gpu_capability, facts.serve_capability, facts.serve_gib) == (8.0, 8.9, 24.0)


def test_sixteen_bits_are_not_quantized(facts_of: Build) -> None:
    """`none` and `bf16` are words for an unquantized model."""
    assert facts_of({"goal": "optimize", "model": {"quantized": "none"}}).model_quantized is None
    assert facts_of({"goal": "optimize", "model": {"quantized": "nf4"}}).model_quantized == "nf4"
