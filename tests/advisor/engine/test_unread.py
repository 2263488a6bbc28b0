"""Answers about further data that nothing reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import Recommendation
from advisor.engine.compile import compile_plan
from advisor.engine.unread import CODE

Advise = Callable[..., Recommendation]
GENERAL = {"general": {"path": "builtin:reference", "kind": "text"}}


def answers(*use: str, kind: str = "instructions", **data: Any) -> dict[str, Any]:
    """A small model, the built-in data, and what else the answers say of data."""
    model = {"id": "builtin:smollm2-135m-instruct", "params_b": 0.135, "kind": "instruct"}
    known = {"path": "builtin:stdlib", "kind": kind, "seq_len": 256, "examples": 2000}
    goal = {"goal": "change-behavior", "behavior": "task"} if kind != "text" else {"goal": "expand-knowledge"}
    return {**goal, "model": model, "data": {**known, **data}, "use": use}


def told(found: Recommendation) -> list[str]:
    return [warning.text for warning in found.warnings if warning.code == CODE]


@pytest.mark.parametrize(
    ("use", "kind", "data", "reader"),
    [
        ("lora", "instructions", {"then": {"path": "builtin:stdlib"}}, ""),
        ("cpt-then-sft", "text", {"then": {"path": "builtin:stdlib", "kind": "instructions"}}, "cpt-then-sft"),
        ("lora", "qa-pairs", {"documents": "builtin:stdlib"}, ""),
        ("raft", "qa-pairs", {"documents": "builtin:stdlib"}, "raft"),
        ("lora", "instructions", {"language": "German"}, ""),
        ("cross-lingual-peft", "instructions", {"language": "German"}, "cross-lingual-peft"),
        ("lora", "instructions", {"cutoff": "2025-06"}, ""),
    ],
)
def test_an_answer_that_no_step_reads_is_told(
    use: str,
    kind: str,
    data: dict[str, Any],
    reader: str,
    advise: Advise,
    knowledge: Knowledge,
    facts_of: Callable[[Mapping[str, Any]], Facts],
) -> None:
    """Advice and plan name the answer and what would read it; where a step of the stack reads it they are silent."""
    values = answers(use, kind=kind, **data)
    found = advise(values)
    assert [entry.technique for entry in found.stack] == [use]
    (key,) = data
    if reader:
        assert not told(found)
        return
    (text,) = told(found)
    assert text.startswith(f"data.{key}: ") and text.endswith("is read by no step of the stack.")
    assert text in compile_plan(found, knowledge, facts_of(values)).notes


def test_what_would_read_it_is_named(advise: Advise) -> None:
    """The warning names the techniques that read the answer: those with a second phase for `data.then`."""
    (warning,) = (w for w in advise(answers("lora", then={"path": "builtin:stdlib"})).warnings if w.code == CODE)
    assert "cpt-then-instruct" in warning.fix and "cpt-then-sft" in warning.fix and "raft" not in warning.fix


def test_general_data_that_is_not_mixed_in_is_told_to_measure(advise: Advise) -> None:
    """Beside LoRA general data only measures what is forgotten, and this is told; mixed in by `use` or beside all
    weights it is not; without any training nothing reads it."""
    assert told(advise(answers("lora", **GENERAL))) == [
        "data.general is not mixed into the training: its held-out part only measures what is forgotten."
    ]
    assert not told(advise(answers("lora", "data-mixing", **GENERAL)))
    assert not told(advise(answers("full-sft", **GENERAL)))
    (text,) = told(advise(answers("few-shot", **GENERAL)))
    assert text == "data.general: builtin:reference is read by no step of the stack."


@pytest.mark.parametrize(("use", "kind"), [("dpo", "preferences"), ("kto", "feedback"), ("grpo", "rewards")])
def test_mixing_is_advised_only_where_the_training_can_use_the_mixture(
    use: str,
    kind: str,
    advise: Advise,
    knowledge: Knowledge,
    facts_of: Callable[[Mapping[str, Any]], Facts],
) -> None:
    """Rows without a judgement are not mixed into judged ones: neither advised nor, when asked for, planned; general
    data of the same kind is."""
    alignment = {"goal": "change-behavior", "behavior": "alignment", "train": {"micro_batch": 2}}
    (warning,) = (w for w in advise(answers(use, kind=kind, **GENERAL) | alignment).warnings if w.code == CODE)
    assert warning.fix == (
        f"It cannot be: rows of kind text cannot be learnt from as {kind}; name general data of that kind."
    )

    def planned(general: dict[str, Any]) -> list[str]:
        values = answers(use, "data-mixing", kind=kind, general=general) | alignment
        return [step.technique for step in compile_plan(advise(values), knowledge, facts_of(values)).steps]

    assert planned({"path": "builtin:reference"}) == [use]
    assert planned({"path": "general.jsonl", "kind": kind}) == ["data-mixing", use]
