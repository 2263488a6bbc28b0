"""Requests whose fulfilment a rule can check."""

from __future__ import annotations

import pytest

from executors.metrics.following import REQUESTS, TOPICS, is_followed

ANSWERS = (
    ("capital letters", "A RIVER RUNS.", "A River runs."),
    ("lower case", "a river runs.", "A river runs."),
    ("at most ten words", "Water that runs to the sea.", "It is a large natural stream of water that flows far."),
    ("exactly one sentence", "It runs.", "It runs. It ends."),
    ("three words", "- wet\n- long\n- deep", "- wet\n- long"),
    ("begins with the word Maybe", "Maybe it runs.", "It maybe runs."),
    ("double quotes", '"It runs."', "It runs."),
    ("yes or no", "Yes.", "Yes, I can."),
    ("JSON", '```json\n{"topic": "a river"}\n```', '["a river"]'),
    ("without a comma", "It runs.", "It runs, and ends."),
)


@pytest.mark.parametrize(("kind", "right", "wrong"), ANSWERS)
def test_each_rule_tells_right_from_wrong(kind: str, right: str, wrong: str) -> None:
    """An answer that does what was asked counts, one that nearly does so does not, and an empty one never does."""
    asked = [request for request in REQUESTS if kind in request.text]
    assert len(asked) == len(TOPICS)
    for request in asked:
        assert is_followed(request, right)
        assert not is_followed(request, wrong)
        assert not is_followed(request, "  \n")


def test_any_number_of_requests_has_all_kinds() -> None:
    """The first ten requests are of ten kinds, about ten topics, and no request stands twice."""
    first = REQUESTS[: len(ANSWERS)]
    assert {kind for kind, *_ in ANSWERS for request in first if kind in request.text} == {k for k, *_ in ANSWERS}
    assert len({request.text for request in REQUESTS}) == len(REQUESTS) == len(TOPICS) * len(ANSWERS)
