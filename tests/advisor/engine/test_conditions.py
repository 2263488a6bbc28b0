"""Tests of conditions on facts."""

from __future__ import annotations

import pytest

from advisor.domain.condition import Condition
from advisor.domain.facts import Facts
from advisor.engine.conditions import describe, holds

FACTS = Facts(goal="optimize", needs=("citations",), data_examples=50, has_gpu=False, gpu_count=1)
TESTS = [
    ({"fact": "goal", "one_of": ["optimize"]}, True),
    ({"fact": "needs", "one_of": ["offline", "citations"]}, True),
    ({"fact": "needs", "one_of": ["offline"]}, False),
    ({"fact": "data_examples", "at_most": 50}, True),
    ({"fact": "data_examples", "above": 50}, False),
    ({"fact": "data_tokens", "at_least": 1}, False),
    ({"fact": "data_tokens", "below": 1}, False),
    ({"fact": "data_tokens", "known": False}, True),
    ({"fact": "avoid", "known": False}, True),
    ({"fact": "has_gpu", "one_of": [False]}, True),
    ({"fact": "has_gpu", "one_of": [0]}, False),
    ({"fact": "gpu_count", "one_of": [True]}, False),
    ({"all": [{"fact": "goal", "known": True}, {"fact": "data_examples", "at_least": 51}]}, False),
    ({"any": [{"fact": "goal", "one_of": ["x"]}, {"fact": "data_examples", "below": 51}]}, True),
    ({"none": [{"fact": "goal", "one_of": ["x"]}]}, True),
]


@pytest.mark.parametrize(("test", "expected"), TESTS)
def test_holds(test: dict[str, object], expected: bool) -> None:
    """A comparison with an unknown fact is false, a fact with several values matches any, a boolean is no number."""
    assert holds(Condition.model_validate(test), FACTS) is expected


def test_no_condition_holds() -> None:
    """Where no condition is given, it always holds, and says so."""
    assert holds(None, FACTS)
    assert describe(None) == "always"


def test_unknown_fact_is_an_error_of_the_knowledge() -> None:
    """A condition on a fact that does not exist is not quietly false."""
    with pytest.raises(AttributeError):
        holds(Condition.model_validate({"fact": "no_such_fact", "known": True}), FACTS)


def test_describe_reads_as_a_phrase() -> None:
    """A condition says itself in words."""
    parts = [{"fact": "data_examples", "at_most": 50}, {"fact": "task", "one_of": ["reasoning", "code"]}]
    text = describe(Condition.model_validate({"all": parts}))
    assert text == "data examples is at most 50 and task is reasoning or code"
