"""Tools, calls and results: read from the usual shapes, rendered for templates that know tools and others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from executors.datasets.marked_shapes import BadRecord
from executors.datasets.render import encode, render_prompt
from executors.datasets.rows import Conversation, Message
from executors.datasets.shapes import to_row
from executors.models.load import load_tokenizer

TOOL = {
    "name": "add",
    "description": "Adds.",
    "parameters": {"type": "object", "properties": {"a": {"type": "number"}}},
}
CALL = {"name": "add", "arguments": {"a": 1}}
ASKED = {"role": "user", "content": "add 1"}
ANSWERED = {"role": "tool", "content": "1"}


def called(name: str, arguments: Any = None) -> dict[str, Any]:
    """A turn of the assistant that calls one tool."""
    return {"role": "assistant", "tool_calls": [{"name": name, "arguments": {} if arguments is None else arguments}]}


SHAPES: list[tuple[Any, Any]] = [
    ([TOOL], [CALL]),
    ([{"type": "function", "function": TOOL}], [{"type": "function", "function": CALL}]),
    (json.dumps([TOOL]), [{"id": "x", "function": {"name": "add", "arguments": json.dumps({"a": 1})}}]),
]
TOOL_TEMPLATE = (
    "{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{{ m.content }}{% for c in m.tool_calls or [] %}<call>{{ c.function | tojson }}</call>{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.mark.parametrize(("tools", "calls"), SHAPES)
def test_usual_shapes_are_one(tools: Any, calls: Any) -> None:
    """Schemas and calls are read alike, whichever usual shape they have."""
    row = to_row({"tools": tools, "messages": [ASKED, {"role": "assistant", "content": None, "tool_calls": calls}]})
    assert isinstance(row, Conversation)
    assert json.loads(row.tools) == [{"type": "function", "function": TOOL}]
    assert json.loads(row.messages[-1].calls) == [CALL]


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"tools": "not json", "messages": [ASKED, {"role": "assistant", "content": "x"}]}, "not JSON"),
        ({"tools": [{}], "messages": [ASKED, {"role": "assistant", "content": "x"}]}, "tool 1 has no name"),
        ({"messages": [ASKED, {"role": "assistant", "tool_calls": [{"name": "f", "arguments": "{"}]}]}, "not JSON"),
        (
            {"messages": [ASKED, {"role": "assistant", "tool_calls": [{"name": "f", "arguments": [1]}]}]},
            "not an object",
        ),
        ({"messages": [ASKED, {"role": "assistant", "tool_calls": [{"arguments": {}}]}]}, "call 1 has no name"),
        ({"tools": [TOOL], "messages": [ASKED, called("subtract")]}, "turn 2 .*'subtract', which is none of the tools"),
        ({"messages": [{**called("add"), "role": "user"}, called("add")]}, "turn 1 .* the role 'user' cannot"),
        ({"messages": [ASKED, called("add", {"a": [float("nan")]})]}, "arguments of call 1 hold .*NaN"),
        ({"messages": [ASKED, called("add", '{"a": 1e999}')]}, "infinite number"),
        ({"messages": [ASKED, called("add", {"a": "\ud800"})]}, "surrogate"),
        ({"tools": [{**TOOL, "parameters": {"x": float("inf")}}], "messages": [ASKED, called("add")]}, "tool 1 holds"),
        (
            {"tools": [TOOL, {"name": "add"}], "messages": [ASKED, called("add")]},
            "tool 2 has the name of an earlier one, 'add'",
        ),
    ],
)
def test_broken_tools_say_why(record: Any, why: str) -> None:
    """A schema or call that cannot be used is a bad record with its reason."""
    with pytest.raises(BadRecord, match=why):
        to_row(record)


def conversation() -> Conversation:
    turns = (Message("user", "add 1"), Message("assistant", "", json.dumps([CALL])), Message("tool", "1"))
    tools = json.dumps([{"type": "function", "function": TOOL}])
    return Conversation((*turns, Message("assistant", "It is 1.")), tools)


@pytest.mark.parametrize("knows_tools", [True, False])
def test_calls_are_learnt_and_results_are_not(knows_tools: bool, tiny_model: Path) -> None:
    """Calls and answers are labelled, schemas and results are not, in a template with tools and in one without."""
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = TOOL_TEMPLATE if knows_tools else tokenizer.chat_template
    (sequence,) = encode([conversation()], tokenizer, 1024)
    learnt = tokenizer.decode([label for label in sequence.labels if label >= 0])
    text = tokenizer.decode(sequence.ids)
    assert '"Adds."' in text and text.count("<tools>") == int(knows_tools)
    call = "<call>" + json.dumps(CALL) + "</call>" if knows_tools else json.dumps(CALL)
    assert learnt.replace(" ", "") == f"{call}<|im_end|>It is 1.<|im_end|>".replace(" ", "")
    prompt = render_prompt(conversation().messages[:1], tokenizer, conversation().tools)
    assert text.startswith(prompt) and prompt.endswith("assistant\n")
