"""`advisor tree`: the decision tree - every question, every answer, and what each leads to."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advisor.domain.tree import Choice, DecisionTree, Question

SUMMARY = "the decision tree: questions, answers, and what each leads to"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import write, write_json
    from advisor.knowledge import load_knowledge

    tree = load_knowledge().tree
    if args.json:
        write_json({"schema": 1, **tree.model_dump(mode="json", by_alias=True)})
    else:
        write("\n".join(line for question in tree.questions for line in _question(tree, question)) + "\n")
    return 0


def _question(tree: DecisionTree, question: Question) -> list[str]:
    from advisor.report.knowledge import wrapped

    number = f"{question.section}  " if question.section else ""
    lines = [f"{number}{question.text}  [{question.key}]", *wrapped("  why: ", question.why)]
    for choice in question.choices:
        lines += wrapped(f"  - {choice.value}: ", choice.label + _leads_to(tree, choice))
    return [*lines, ""]


def _leads_to(tree: DecisionTree, choice: Choice) -> str:
    target = choice.opens or choice.next
    if target is not None:
        following = tree.question(target)
        return f" -> {following.section or following.key}"
    return f" -> {', '.join(choice.techniques)}" if choice.techniques else ""
