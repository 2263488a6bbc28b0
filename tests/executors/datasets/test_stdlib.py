"""The built-in data."""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.plan import DataSpec
from advisor.domain.words import DataKind
from executors.datasets import load, load_multiple_choice
from executors.datasets.rows import Conversation, Preference, Text
from executors.datasets.stdlib_items import items
from executors.datasets.stdlib_modules import MODULES

KINDS = ("instructions", "qa-pairs", "text", "documents", "preferences", "tool-calls", "parallel")
DIGEST = """
import hashlib
from advisor.domain.plan import DataSpec
from executors.datasets import load, load_multiple_choice
rows = [load(DataSpec(path="builtin:stdlib", kind=k), s) for k in {kinds} for s in ("train", "held-out")]
rows.append(load_multiple_choice(DataSpec(path="builtin:stdlib", kind="instructions")))
print(hashlib.sha256(repr(rows).encode()).hexdigest())
""".replace("{kinds}", repr(KINDS))


def spec(kind: str, **more: int) -> DataSpec:
    return DataSpec(path="builtin:stdlib", kind=DataKind(kind), **more)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_both_sides(kind: str) -> None:
    """Each kind gives rows of its type on both sides; there are more to train on than to measure with."""
    train, held_out = load(spec(kind), "train"), load(spec(kind), "held-out")
    expected = {"text": Text, "documents": Text, "preferences": Preference}.get(kind, Conversation)
    assert len(train) > len(held_out) > 10
    assert all(isinstance(row, expected) for row in (*train, *held_out))


def test_there_are_enough_instructions() -> None:
    """More than two thousand instructions, each question asked once on its side."""
    rows = load(spec("instructions"), "train")
    assert len(rows) > 2000
    assert len({row.key for row in rows}) == len(rows)


def test_nothing_leaks_between_the_sides() -> None:
    """No object, docstring, summary or question stands on both sides, not even under another name."""
    sides = [[i for i in items() if i.is_held_out], [i for i in items() if not i.is_held_out]]
    for trait in ("name", "doc", "summary", "group"):
        held_out, train = ({getattr(item, trait) for item in side} for side in sides)
        assert not held_out & train, trait
    for kind in KINDS:
        held_out, train = ({row.key for row in load(spec(kind), side)} for side in ("held-out", "train"))
        assert not held_out & train, kind
    answers = [{r.messages[-1].content for r in load(spec("instructions"), s)} for s in ("held-out", "train")]
    assert not answers[0] & answers[1]


def test_one_object_under_two_names_is_one_group() -> None:
    """However many names an object has, all of them are on one side."""
    by_object: dict[int, set[str]] = {}
    for item in items():
        if item.kind == "function" and item.module != "builtins":
            value = getattr(importlib.import_module(item.module), item.name.rpartition(".")[2])
            by_object.setdefault(id(value), set()).add(item.group)
    assert all(len(found) == 1 for found in by_object.values())


def test_it_is_the_same_in_every_process() -> None:
    """Processes with different hash seeds, and with libraries that patch the standard one, make byte-equal rows."""
    digests = set()
    for seed, before in (("1", ""), ("2", ""), ("3", "import torch, transformers, trl, peft\n")):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        out = subprocess.run(
            [sys.executable, "-c", before + DIGEST], env=environment, capture_output=True, text=True, check=True
        )
        digests.add(out.stdout)
    assert len(digests) == 1
    assert len(digests.pop().strip()) == len(hashlib.sha256().hexdigest())


def test_making_it_has_no_side_effects() -> None:
    """Making the data prints nothing, opens nothing, and imports neither windows nor jokes nor torch."""
    program = (
        "import sys; from executors.datasets.stdlib_items import items; items(); "
        "bad = {'tkinter', 'turtle', 'antigravity', 'this', 'idlelib', 'torch', 'numpy'} & set(sys.modules); "
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not {"antigravity", "this", "turtle"} & set(MODULES)


def test_multiple_choice_has_one_right_answer() -> None:
    """Each question has four different choices about held-out functions, the right one at no favoured place."""
    questions = load_multiple_choice(spec("instructions"))
    assert len(questions) > 200
    assert all(len(set(q.choices)) == 4 for q in questions)
    places = [sum(q.answer == place for q in questions) / len(questions) for place in range(4)]
    assert min(places) > 0.15
    asked = {q.question for q in questions}
    assert not asked & {row.key for row in load(spec("instructions"), "train")}


def test_max_examples_takes_a_prefix() -> None:
    """`max_examples` gives the first rows of the same order."""
    assert load(spec("text", max_examples=5), "train") == load(spec("text"), "train")[:5]


def test_an_absent_kind_is_an_error() -> None:
    """A kind the data set does not have is refused with those it has."""
    with pytest.raises(AdvisorError) as caught:
        load(spec("none"), "train")
    assert "instructions" in caught.value.hint
