"""Forms made from the executors' settings."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.technique import Technique
from advisor.knowledge import load_knowledge
from advisor.runs.forms import FormField, form_of, read_form, shown
from advisor.runs.prepare import config_form


def technique(technique_id: str) -> Technique:
    return load_knowledge().technique(technique_id)


def field(fields: tuple[FormField, ...], name: str) -> FormField:
    return next(f for f in fields if f.name == name)


@pytest.mark.parametrize("technique_id", sorted(t.id for t in load_knowledge().techniques if t.executor))
def test_every_executable_technique_has_a_form(technique_id: str) -> None:
    """Every setting of every executor that is one value can be typed, but for what technique and answers settle."""
    found = technique(technique_id)
    schema, _ = config_form(str(found.executor))
    known = set(schema["properties"]) - {"method", "format", "data"}
    typed = {f.name for f in form_of(found, {})}
    shapes = ("array", "object", "$ref")
    nested = {name for name in known - typed if any(shape in str(schema["properties"][name]) for shape in shapes)}
    assert typed | nested == known


def test_fields_say_what_they_take() -> None:
    """Type, bounds and choices come from the executor, defaults from technique and step."""
    fields = form_of(technique("qlora"), {"micro_batch": 4})
    assert field(fields, "rank").expects == "whole number, at least 1, at most 4,096"
    assert field(fields, "precision").choices == ("auto", "bf16", "fp32")
    assert field(fields, "gradient_checkpointing").expects == "yes or no"
    assert field(fields, "micro_batch").default == 4
    assert field(fields, "rank").default == technique("qlora").config["rank"]
    assert "precedence" in field(fields, "max_steps").told


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("rank", "64", 64),
        ("max_steps", "1_000", 1000),
        ("max_steps", "1,000", 1000),
        ("learning_rate", "5e-5", 5e-5),
        ("gradient_checkpointing", "Yes", True),
        ("precision", "fp32", "fp32"),
        ("targets", "attention", "attention"),
    ],
)
def test_what_is_typed(name: str, typed: str, value: Any) -> None:
    """Text becomes a value of the field's type."""
    found = technique("lora")
    assert read_form(found, form_of(found, {}), {name: typed}) == {name: value}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"rank": "many"}, "whole number, at least 1, at most 4,096"),
        ({"rank": "5000"}, "less than or equal to 4096"),
        ({"precision": "fp8"}, "one of auto, bf16, fp32"),
        ({"gradient_checkpointing": "maybe"}, "yes or no"),
        ({"learning_rate": "nan"}, "learning_rate"),
    ],
)
def test_what_is_wrong(typed: dict[str, str], said: str) -> None:
    """A wrong value is told with what is expected."""
    found = technique("lora")
    with pytest.raises(AdvisorError) as error:
        read_form(found, form_of(found, {}), typed)
    assert said in error.value.message()


def test_settings_that_contradict_each_other() -> None:
    """What is wrong only beside another setting is found too."""
    found = technique("wanda")
    with pytest.raises(AdvisorError, match="has a sparsity"):
        read_form(found, form_of(found, {}), {"pattern": "2:4", "sparsity": "0.3"})


def test_defaults_are_no_settings() -> None:
    """An empty field, and one that says the default, set nothing."""
    found = technique("lora")
    fields = form_of(found, {})
    assert read_form(found, fields, {f.name: shown(f.default) for f in fields}) == {}
    assert read_form(found, fields, {f.name: " " for f in fields}) == {}


def test_numbers_to_choose_from() -> None:
    """A choice among numbers is typed as text and becomes the number."""
    number = next(f for f in map(_numbers, load_knowledge().techniques) if f is not None)
    assert all(isinstance(word, str) for word in number.choices)
    assert number.parse(number.choices[0]) == number.values[0]
    assert number.choices[0] in number.expects


def _numbers(found: Technique) -> FormField | None:
    fields = form_of(found, {}) if found.executor else ()
    return next((f for f in fields if f.values and isinstance(f.values[0], int)), None)


def test_nothing_to_set() -> None:
    """A technique that is not run here has no form, and the reason is told."""
    advised = next(found for found in load_knowledge().techniques if found.executor is None)
    with pytest.raises(AdvisorError, match="is not run here") as error:
        form_of(advised, {})
    assert error.value.why == advised.why_not
