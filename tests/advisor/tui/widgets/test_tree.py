"""The decision tree beside the questions shows the path by marks, not by colour alone."""

from __future__ import annotations

from advisor.knowledge import load_knowledge
from advisor.tui.widgets.tree import DEAD, HERE, OPEN, TAKEN, TreeView

TREE = load_knowledge().tree


def lines(answered: dict[str, object], current: str) -> list[str]:
    return TreeView(TREE, answered, TREE.question(current)).text.plain.splitlines()


def test_the_path_is_lit_and_dead_branches_are_marked() -> None:
    """Taken choices, the question asked now, what is open and what is closed each have their mark."""
    shown = lines({"goal": "change-behavior", "also": []}, "behavior")
    assert any(line.strip() == f"{TAKEN} change-behavior" for line in shown)
    assert any(line.strip().startswith(f"{HERE} 3a") for line in shown)
    assert any(line.strip() == f"{DEAD} optimize" for line in shown)
    assert any(line.strip() == f"{OPEN} task" for line in shown)
    assert any(line.strip().startswith(f"{DEAD} 4a") for line in shown)


def test_a_question_stands_once_under_what_opens_it() -> None:
    """No question is drawn twice, and 3c stands deeper than 3a, which brings it up."""
    shown = lines({"goal": "change-behavior", "also": []}, "behavior")
    for section in ("2a", "2c", "3a", "3c", "4a", "5a"):
        assert sum(f" {section} " in line for line in shown) == 1
    depth = {s: next(len(line) - len(line.lstrip()) for line in shown if f" {s} " in line) for s in ("3a", "3c")}
    assert depth["3c"] > depth["3a"]


def test_where_the_walk_stands_can_be_scrolled_to() -> None:
    """`here` is the line of the question asked now."""
    view = TreeView(TREE, {"goal": "optimize"}, TREE.question("serve-bits"))
    assert HERE in view.text.plain.splitlines()[view.here]
