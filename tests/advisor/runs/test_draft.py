"""Drafts: a stack that a person puts together."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.answers import Answers
from advisor.domain.errors import AdvisorError
from advisor.domain.plan import Plan
from advisor.runs.advise import Overrides, advise
from advisor.runs.draft import Draft, begin

SAMPLE: dict[str, Any] = {
    "goal": "change-behavior",
    "also": ["optimize"],
    "behavior": "task",
    "compute": "limited",
    "optimize_for": "memory-latency",
    "model": {"id": "builtin:smollm2-135m-instruct", "params_b": 0.135, "kind": "instruct"},
    "data": {"path": "builtin:stdlib", "kind": "instructions", "seq_len": 256},
    "train": {"micro_batch": 8, "tokens_budget": 122880},
    "serve": {"target": "cpu", "bits": 8, "runtime": "llama.cpp"},
}


@pytest.fixture(scope="module")
def draft() -> Draft:
    advice = advise(Answers.model_validate(SAMPLE), Overrides(no_gpu=True, ram_gib=12))
    return begin(advice)


def ids(draft: Draft) -> tuple[str, ...]:
    return tuple(step.technique for step in draft.steps)


def step(plan: Plan, technique: str) -> dict[str, Any]:
    return next(s.config for s in plan.steps if s.technique == technique)


def test_begins_as_recommended(draft: Draft) -> None:
    """A draft starts as the recommended stack, with the same estimates and the reasons kept."""
    assert ids(draft) == ("lora", "adapter-merge", "gguf")
    assert draft.judged.feasible
    assert all(entry.because for entry in draft.judged.stack)
    assert [s.technique for s in draft.plan().steps] == ["lora", "adapter-merge", "gguf"]


def test_moving_is_judged(draft: Draft) -> None:
    """A step moved where it cannot start makes the stack impossible, and no plan comes of it."""
    moved = draft.move(0, 1)
    assert ids(moved) == ("adapter-merge", "lora", "gguf")
    assert not moved.judged.feasible
    assert moved.judged.warnings[0].code == "chain-breaks"
    with pytest.raises(AdvisorError, match="adapter-merge needs an adapter"):
        moved.plan()


@pytest.mark.parametrize(("place", "by"), [(0, -1), (2, 1), (5, 1), (-1, 1)])
def test_moving_beyond_the_ends(draft: Draft, place: int, by: int) -> None:
    """There is nothing before the first and behind the last step: the draft stays, and has nothing to undo."""
    assert draft.move(place, by) is draft


def test_every_change_can_be_undone(draft: Draft) -> None:
    """Undo goes back through all changes, redo forward again, and a new change forgets what was undone."""
    first = draft.move(0, 1)
    second = first.drop(2)
    third = second.add("wanda", 0)
    back = third.undo().undo()
    assert back.steps == first.steps
    assert back.redo().redo().steps == third.steps
    assert back.undo().undo().steps == draft.steps
    assert back.drop(0).redo().steps == back.drop(0).steps


def test_adding(draft: Draft) -> None:
    """A technique is added where one says; one that is there, is no step, or is unknown is refused with a reason."""
    assert ids(draft.add("few-shot", 0))[0] == "few-shot"
    with pytest.raises(AdvisorError, match="in the stack already"):
        draft.add("lora", 0)
    with pytest.raises(AdvisorError, match="accompanies a step"):
        draft.add("gradient-checkpointing", 0)
    with pytest.raises(AdvisorError, match="no technique"):
        draft.add("no-such", 0)


def test_fixing(draft: Draft) -> None:
    """The fix of a broken chain brings the merge back, keeps settings, and says what it did."""
    broken = draft.configure(0, {"rank": 64}).drop(1)
    fixed = broken.fix()
    assert ids(fixed) == ("lora", "adapter-merge", "gguf")
    assert fixed.told == "The fix adds adapter-merge as step 2."
    assert fixed.steps[0].settings == {"rank": 64}
    assert fixed.undo().steps == broken.steps
    with pytest.raises(AdvisorError, match="no fix is known"):
        draft.fix()


def test_settings_change_estimate_and_plan(draft: Draft) -> None:
    """Settings of one's own move the estimate, and win over what the plan would set by itself."""
    mine = {"rank": 64, "learning_rate": 5e-5, "max_steps": 600, "accumulation": 4}
    changed = draft.configure(0, mine)
    before, after = (d.judged.stack[0].estimate.seconds for d in (draft, changed))
    assert before and after and after.expected > 5 * before.expected
    config = step(changed.plan(), "lora")
    assert {key: config[key] for key in mine} == mine
    assert step(draft.plan(), "lora")["learning_rate"] == 1e-3


def test_a_setting_that_cannot_be_estimated(draft: Draft) -> None:
    """Targets that name no layer are refused at once."""
    with pytest.raises(AdvisorError, match="nonsense"):
        draft.configure(0, {"targets": "nonsense"})


def test_what_the_advisor_would_set(draft: Draft) -> None:
    """The values a form starts from are those of the plan, whatever was set before; without a plan the engine's."""
    changed = draft.configure(0, {"rank": 64})
    assert changed.chosen(0)["rank"] == 16
    assert changed.chosen(0)["max_steps"] == 60
    assert draft.move(0, 1).chosen(1)["micro_batch"] == 8


def test_an_empty_stack(draft: Draft) -> None:
    """Everything can be dropped; there is nothing to run then, and a technique can be added again."""
    empty = draft.drop(0).drop(0).drop(0)
    assert not empty.steps and not empty.judged.feasible
    with pytest.raises(AdvisorError, match="empty"):
        empty.plan()
    assert ids(empty.add("gguf", 0)) == ("gguf",)
    assert empty.drop(0) is empty


def test_a_fix_that_is_impossible_here() -> None:
    """A fix that would bring in a technique which is refused here is not taken, and the refusal is told."""
    answers = {
        "goal": "change-behavior",
        "behavior": "alignment",
        "model": {"params_b": 0.5, "kind": "instruct"},
        "data": {"kind": "preferences", "examples": 1000},
        "serve": {"target": "cpu"},
    }
    aligned = begin(advise(Answers.model_validate(answers), Overrides(no_gpu=True, ram_gib=24)))
    assert ids(aligned) == ("dpo",)
    with pytest.raises(AdvisorError, match="adds response-distillation as step 2, and that is not possible") as error:
        aligned.add("wanda", 0).fix()
    assert "no teacher" in error.value.why


def test_an_answer_that_the_edited_stack_no_longer_reads_is_told() -> None:
    """Dropping the training that takes `train.optimizer` and `data.general` is told, and the plan repeats it."""
    data = {**SAMPLE["data"], "general": {"path": "builtin:reference", "kind": "text"}}
    values = {**SAMPLE, "data": data, "train": {**SAMPLE["train"], "optimizer": "sgd"}, "use": ["full-sft", "gguf"]}
    full = begin(advise(Answers.model_validate(values), Overrides(no_gpu=True, ram_gib=12)))
    assert ids(full) == ("full-sft", "gguf")
    codes = {"asked-for-not-possible", "answer-not-read"}
    assert not codes.intersection(warning.code for warning in full.judged.warnings)
    dropped = full.drop(0)
    assert codes <= {warning.code for warning in dropped.judged.warnings}
    notes = " ".join(dropped.plan().notes)
    assert "train.optimizer: sgd" in notes and "data.general: builtin:reference" in notes
