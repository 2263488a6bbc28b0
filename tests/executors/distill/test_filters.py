"""Tests of what a teacher's writing must be to be learnt."""

from __future__ import annotations

import pytest

from executors.datasets.rows import ask
from executors.distill.filters import Pair, choose, likeness, repetition, triples

GOOD = Pair("What does the function do?", "It returns a new list.", True, 1.0)


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (GOOD._replace(answer=""), "empty"),
        (GOOD._replace(is_ended=False), "unfinished"),
        (GOOD._replace(question="What?"), "short"),
        (GOOD._replace(answer="the list of the list of the list of the list of the list of"), "repetitive"),
        (GOOD._replace(question="What does the Function do"), "similar"),
        (GOOD._replace(question="How is a file opened for reading?"), "similar"),
    ],
)
def test_each_fault_is_dropped_under_its_name(pair: Pair, reason: str) -> None:
    """Empty, cut off, too short, going in circles, like a kept one, like a held-out one."""
    held_out = [ask("How is a file opened for reading?", "With open.")]
    kept, dropped = choose([GOOD, pair], held_out, True, 0.7, 1.0)
    assert kept == [GOOD] and dropped == {reason: 1, "unlikely": 0}


def test_the_least_likely_answers_go_last_in_line() -> None:
    """Of what is left, the share whose answers the teacher finds likeliest stays, in the order it was written."""
    words = ("apples", "trains", "rivers", "clouds")
    pairs = [GOOD._replace(question=f"Tell me about {word} today", loss=float(n)) for n, word in enumerate(words)]
    kept, dropped = choose(pairs[::-1], [], True, 0.7, 0.5)
    assert [pair.loss for pair in kept] == [1.0, 0.0] and dropped["unlikely"] == 2


def test_given_questions_are_neither_compared_nor_ranked() -> None:
    """Where only the answers were written, two alike questions are both learnt."""
    assert choose([GOOD, GOOD], [], False, 0.7, 0.1) == ([GOOD, GOOD], {})


def test_likeness_and_repetition() -> None:
    """Shares of word triples: of two texts, and within one."""
    assert likeness(triples("a b c d"), triples("a b c e")) == pytest.approx(1 / 3)
    assert repetition("a b c a b c") == pytest.approx(0.25)
    assert repetition("a b") == 0
