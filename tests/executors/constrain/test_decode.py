"""Decoding with the tiny random model: whatever it prefers, what it writes is in the language and ends in time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from executors.constrain import Constraint, compile_constraint
from executors.constrain.valid import is_valid

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Any:
    from executors.models.load import load_model

    return load_model("causal-lm", str(tiny_model))


def write(loaded: Any, constraint: Constraint, budget: int, rows: int = 8, seed: int = 0) -> list[str]:
    """What the model writes at random under a constraint."""
    import torch

    compiled = compile_constraint(constraint, loaded.tokenizer, 512)
    start = loaded.tokenizer("Name and age:", return_tensors="pt")["input_ids"].repeat(rows, 1)
    torch.manual_seed(seed)
    processor = compiled.processor(rows, budget, [2], start.shape[1])
    out = loaded.model.generate(
        input_ids=start,
        attention_mask=torch.ones_like(start),
        max_new_tokens=budget,
        do_sample=True,
        temperature=5.0,
        pad_token_id=2,
        logits_processor=[processor],
    )
    return list(loaded.tokenizer.batch_decode(out[:, start.shape[1] :], skip_special_tokens=True))


@pytest.mark.parametrize("budget", [20, 24, 40, 200])
def test_every_answer_is_valid(loaded: Any, budget: int) -> None:
    """Sampled at a high temperature, with hardly enough or plenty of tokens: each text is valid JSON for the schema."""
    for text in write(loaded, Constraint(json_schema=SCHEMA), budget):
        assert is_valid(json.loads(text), SCHEMA), text


def test_expressions_and_choices(loaded: Any) -> None:
    """A regular expression and a list of texts are kept, too."""
    assert all(text in ("yes", "no") for text in write(loaded, Constraint(choices=("yes", "no")), 8))
    import re

    for text in write(loaded, Constraint(regex=r"[a-c]{2,5}-\d{2}"), 10):
        assert re.fullmatch(r"[a-c]{2,5}-\d{2}", text)


def test_a_budget_below_the_shortest_answer_is_refused(loaded: Any) -> None:
    """It is said before anything is written, and not by an unfinished answer."""
    with pytest.raises(AdvisorError, match="shortest answer"):
        write(loaded, Constraint(json_schema=SCHEMA), 12)


@pytest.mark.parametrize(
    "given", [{}, {"regex": "a", "choices": ["b"]}, {"choices": [""]}, {"json_schema": {}, "regex": "x"}]
)
def test_a_constraint_is_one_of_three(given: dict[str, Any]) -> None:
    """None, several, and an empty choice are errors."""
    with pytest.raises(ValueError):
        Constraint.model_validate(given)
