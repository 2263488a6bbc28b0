"""The walk turns answers into `Answers`, tells a bad one at its own question, and can always go back."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.profiles import CpuProfile, HardwareProfile
from advisor.domain.words import Goal
from advisor.runs.walk import Walk, begin, parse

HARDWARE = HardwareProfile(ram_gib=24, ram_free_gib=22, disk_gib=100, cpu=CpuProfile(cores=2))


def at(walk: Walk, question_id: str) -> Walk:
    """The walk, with everything left to the advisor up to a question."""
    while walk.question is not None and walk.question.id != question_id:
        walk = walk.skip()
    return walk


def test_the_goal_must_be_chosen() -> None:
    """The first question decides everything, so it cannot be skipped; a wrong answer is refused with what is valid."""
    walk = begin(HARDWARE)
    assert walk.answers is None and walk.recommendation is None
    with pytest.raises(AdvisorError):
        walk.skip()
    with pytest.raises(AdvisorError, match="not among"):
        walk.answer("9")


def test_a_walk_of_skips_gives_answers_and_advice() -> None:
    """Whoever knows only the goal still gets a stack or a reason."""
    for number in range(1, 5):
        walk = at(begin(HARDWARE).answer(str(number)), "")
        assert walk.answers is not None and walk.answers.goal in set(Goal)
        recommendation = walk.recommendation
        assert recommendation is not None
        assert recommendation.stack or recommendation.rejected


def test_back_undoes_exactly_one_answer() -> None:
    """Going back restores the walk as it was."""
    before = begin(HARDWARE).answer("2")
    after = before.answer(["optimize"])
    assert after.back().answered == before.answered
    assert begin(HARDWARE).back().order == ()


def test_a_path_that_leads_nowhere_is_told_at_its_question(tmp_path: Path) -> None:
    """A folder that is no model, and data that is not there, are refused where they were typed."""
    walk = at(begin(HARDWARE).answer("2"), "model-id")
    with pytest.raises(AdvisorError, match=str(tmp_path)):
        walk.answer(str(tmp_path))
    walk = at(walk.answer("builtin:smollm2-135m-instruct"), "data-kind").answer("instructions")
    with pytest.raises(AdvisorError, match=r"none\.jsonl"):
        walk.answer(str(tmp_path / "none.jsonl"))


def test_numbers_may_be_typed_as_people_write_them() -> None:
    """`5k`, `5,000` and `5000` are the same; words and negative numbers are refused."""
    tree = begin(HARDWARE).knowledge.tree
    question = tree.question("data-examples")
    assert parse(question, "5k") == parse(question, "5,000") == parse(question, "5000") == 5000
    assert parse(tree.question("model-params"), "7.6B") == 7.6
    for bad in ("many", "-3", "nan", "inf"):
        with pytest.raises(AdvisorError):
            parse(question, bad)


def test_gpus_may_be_typed() -> None:
    """NAME:GIB[:COUNT], several apart by commas, or none; anything else is refused where it is typed."""
    walk = at(begin(HARDWARE).answer("2"), "hardware-gpus")
    facts = walk.answer("RTX 4090:24:2").facts
    assert facts is not None and facts.gpu_count == 2 and facts.gpu_gib == 24
    none = walk.answer("none").facts
    assert none is not None and not none.has_gpu
    with pytest.raises(AdvisorError, match="NAME:GIB"):
        walk.answer("RTX 4090")
