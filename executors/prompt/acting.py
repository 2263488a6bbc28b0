"""A model that calls tools before it answers: ReAct in lines of text, or calls as JSON.

Yao et al. 2022, ReAct. Every line is decoded under a constraint, so that a small model's steps can always be read; the
number of calls is bounded, and after the last one only an answer can be written.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from executors.constrain import Constraint
from executors.prompt.tools import Lookup, calculate

if TYPE_CHECKING:
    from executors.prompt.writing import Writer, Written

STEP_TOKENS = 72
_LINE = '[^\\n\\[\\]"\\\\]{1,%d}'
_ACTION = re.compile(r"Action: (calculator|lookup)\[(.*?)\]")


def act(writer: Writer, question: str) -> Written:
    """Answer one question with tools. `text` of the result is the whole trace."""
    from executors.prompt.writing import Written

    prompt = writer.asker.prompt
    began = time.perf_counter()
    lookup = Lookup(prompt.documents)
    start = writer.start(writer.asker.turns(question))
    trace = ""
    for left in range(prompt.max_steps, -1, -1):
        constraint = _form(prompt.strategy, prompt.tools if left else (), prompt.max_tokens)
        line = writer.go_on([start + trace], max(STEP_TOKENS, prompt.max_tokens + 24), constraint)[0].strip()
        trace += line + "\n"
        call = _call(line)
        if call is None:
            break
        trace += f"Observation: {_clean(calculate(call[1]) if call[0] == 'calculator' else lookup(call[1]))}\n"
    return Written(_answer(trace), trace.strip(), time.perf_counter() - began)


def _form(strategy: str, tools: tuple[str, ...], max_tokens: int) -> Constraint:
    """What the next line may be: a call of one of the tools, or an answer."""
    names = "|".join(tools)
    longest = min(4 * max_tokens, 400)
    if strategy == "tool-use-model":
        answer = f'\\{{"answer":"{_LINE % longest}"\\}}'
        call = f'\\{{"tool":"({names})","input":"{_LINE % 80}"\\}}'
    else:
        answer = f"Answer: {_LINE % longest}"
        call = f"(Thought: {_LINE % 80}\\n)?Action: ({names})\\[{_LINE % 60}\\]"
    return Constraint(regex=f"({call})|({answer})" if tools else answer)


def _call(text: str) -> tuple[str, str] | None:
    """The tool that is called and with what; None for an answer."""
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            return None
        return (found["tool"], found["input"]) if "tool" in found else None
    match = _ACTION.search(text)
    return (match.group(1), match.group(2)) if match else None


def _answer(trace: str) -> str:
    last = trace.strip().splitlines()[-1] if trace.strip() else ""
    if last.startswith("{"):
        try:
            return str(json.loads(last).get("answer", ""))
        except ValueError:
            return ""
    return last.removeprefix("Answer:").strip()


def _clean(text: str) -> str:
    """What a tool says is data: one line, no control characters."""
    return "".join(c for c in text if c.isprintable())
