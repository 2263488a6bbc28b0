"""`advisor.domain.dialogues`: pairs of whole dialogues as lists of turns."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.dialogues import sides_of

ASKED = "\n\nHuman: q: really?\n\nAssistant:"


def test_a_dialogue_becomes_its_turns() -> None:
    """Each side is split where a turn begins, and nowhere else."""
    turns = [{"role": "user", "content": "q: really?"}, {"role": "assistant", "content": "a\n\nb"}]
    assert sides_of({"chosen": f"{ASKED} a\n\nb", "rejected": f"{ASKED} c"}) == (
        turns,
        [turns[0], {"role": "assistant", "content": "c"}],
    )


@pytest.mark.parametrize(
    "row",
    [
        {"chosen": f"{ASKED} a", "rejected": "c"},
        {"chosen": "Hello\n\nHuman: q", "rejected": "Hello\n\nHuman: r"},
        {"chosen": "\n\nAssistant: a", "rejected": "\n\nAssistant: b"},
        {"prompt": "q", "chosen": f"{ASKED} a", "rejected": f"{ASKED} b"},
        {"chosen": [1], "rejected": None},
    ],
)
def test_other_sides_are_left_as_they_are(row: dict[str, Any]) -> None:
    """Plain answers, answers beside a prompt, and what is no text stay what they were."""
    assert sides_of(row) == (row["chosen"], row["rejected"])
