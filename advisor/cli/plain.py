"""`advisor --plain`: the walk as numbered questions on plain lines, for screen readers, dumb terminals and logs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from advisor.domain.errors import AdvisorError, ExitCode

if TYPE_CHECKING:
    from advisor.domain.tree import Question
    from advisor.runs.advise import Overrides
    from advisor.runs.walk import Walk

COMMANDS = "Type a number or a value. b: back, s: skip, ?: choose for me, q: quit."


def walk(overrides: Overrides, profile: str) -> int:
    """Ask, recommend, and offer to save and to run. Returns the exit code."""
    from advisor.domain.answers import Answers
    from advisor.domain.words import Goal
    from advisor.runs.advise import hardware_of
    from advisor.runs.walk import begin

    # The hardware does not depend on what is asked; any goal will do to look at it.
    hardware = hardware_of(Answers(goal=Goal.OPTIMIZE), overrides)
    state: Walk | None = begin(hardware, profile)
    print(COMMANDS)
    while state is not None and (question := state.question) is not None:
        state = _ask(state, question)
    if state is None:
        print("Nothing was saved.")
        return 0
    return _conclude(state, overrides)


def _read(prompt: str) -> str:
    print(prompt, end=" ", flush=True)
    line = sys.stdin.readline()
    if not line:
        print()
        raise AdvisorError(
            "standard input ended in the middle of the questions",
            hint="answer every question, or use --non-interactive with an answers file",
            code=ExitCode.BAD_INPUT,
        )
    return line.strip()


def _ask(state: Walk, question: Question) -> Walk | None:
    """One question, once. None: the person quits."""
    suggested = state.suggestion(question)
    print(f"\n{question.section + '  ' if question.section else ''}{question.text}")
    print(f"  {question.meaning}")
    print(f"  Why it is asked: {question.why}")
    for number, choice in enumerate(question.choices, 1):
        mark = "  (suggested)" if suggested is not None and choice.value == suggested.value else ""
        print(f"  {number}. {choice.label}: {choice.meaning}{mark}")
    unit = f" in {question.unit}" if question.unit else ""
    reply = _read(f"Answer{unit}{', several numbers allowed' if question.kind == 'many' else ''}:")
    try:
        match reply.lower():
            case "q":
                return None
            case "b":
                return state.back()
            case "" if question.kind == "many":
                return state.answer([])
            case "s" | "?" | "":
                return state.skip()
            case _:
                return state.answer(reply)
    except AdvisorError as error:
        print(f"  {error.what}. {error.hint}")
        return state


def _conclude(state: Walk, overrides: Overrides) -> int:
    from advisor.cli.output import write
    from advisor.files import dump_yaml
    from advisor.report.recommendation import render
    from advisor.runs.advise import advise, plan_of

    answers = state.answers
    if answers is None:
        return int(ExitCode.BAD_INPUT)
    advice = advise(answers, overrides, state.profile)
    print()
    print(render(advice.recommendation, "text", advice.knowledge))
    name = _read("File to save the answers in (empty: do not save):")
    if name:
        write(dump_yaml(answers, exclude_defaults=True), name)
        print(f"Saved. The same again: advisor --non-interactive {name}")
    if not advice.recommendation.feasible:
        return int(ExitCode.NOTHING_FEASIBLE)
    if any(entry.executable for entry in advice.recommendation.stack) and _read("Run it now? y or n:").lower() == "y":
        from advisor.cli.run import execute_plan

        return execute_plan(plan_of(advice), None, advice=advice)
    return 0
