"""Answers that the model's folder or the rows contradict."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.answers import Answers
from advisor.domain.knowledge import Knowledge
from advisor.domain.profiles import DataProfile, ModelProfile
from advisor.domain.words import DataKind
from advisor.engine.compile import compile_plan
from advisor.engine.contradicted import CODE, contradicted
from advisor.engine.facts import build_facts
from advisor.engine.recommend import recommend
from tests.advisor.engine.conftest import machine

FOLDER = ModelProfile(id="model", path="model", params_b=0.135, context_length=2048, dtype="bf16", origin="local")
ROWS = DataProfile(path="rows.jsonl", kind=DataKind.INSTRUCTIONS, rows=100)


def said(**answers: Any) -> Answers:
    return Answers.model_validate({"goal": "change-behavior", **answers})


@pytest.mark.parametrize(
    ("answers", "key"),
    [
        ({"model": {"params_b": 70}}, "model.params_b"),
        ({"model": {"params_b": 0.15}}, ""),
        ({"model": {"quantized": "awq"}}, "model.quantized"),
        ({"model": {"quantized": "none"}}, ""),
        ({"model": {"quantized": "bfloat16"}}, ""),
        ({"model": {"quantized": "F16"}}, ""),
        ({"data": {"seq_len": 4096}}, "data.seq_len"),
        ({"data": {"seq_len": 2048}}, ""),
        ({"data": {"kind": "preferences"}}, "data.kind"),
        ({"data": {"kind": "qa-pairs"}}, ""),
    ],
)
def test_what_is_there_contradicts_what_was_said(answers: dict[str, Any], key: str) -> None:
    """Size, quantization and context of a folder, and the shape of rows, contradict answers that say otherwise, and
    only those."""
    assert [each.key for each in contradicted(said(**answers), FOLDER, ROWS)] == ([key] if key else [])


def test_a_folder_that_is_quantized_contradicts_none() -> None:
    """`quantized: none` for a folder whose files are quantized is told as well."""
    (found,) = contradicted(said(model={"quantized": "none"}), FOLDER.model_copy(update={"quantized": "gptq"}), None)
    assert found.key == "model.quantized" and "gptq" in found.because


def test_a_model_of_the_catalogue_contradicts_nothing() -> None:
    """What a catalogue says of a model that nobody opened stands behind the answers."""
    known = FOLDER.model_copy(update={"origin": "catalog"})
    assert not contradicted(said(model={"params_b": 70, "quantized": "awq"}), known, None)


def test_advice_and_plan_tell_it(knowledge: Knowledge) -> None:
    """The answer stands, and the advice and the plan say what contradicts it."""
    data = {"path": "rows.jsonl", "kind": "instructions", "seq_len": 4096, "examples": 100}
    answers = said(model={"id": "model"}, data=data, use=["lora"])
    facts = build_facts(knowledge, answers, machine(answers), FOLDER, ROWS)
    found = recommend(knowledge, facts)
    (text,) = (warning.text for warning in found.warnings if warning.code == CODE)
    assert text == "data.seq_len: 4096 was said, and the model's context is 2048 tokens."
    plan = compile_plan(found, knowledge, facts)
    assert text in plan.notes and plan.steps[0].config["seq_len"] == 4096
