"""Tests of executors.datasets.plain_template."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

from executors.datasets.plain_template import render_plain

TURNS = [
    {"role": "system", "content": "Be brief & <kind>.\n"},
    {"role": "user", "content": "  2 > 1?"},
    {"role": "assistant", "content": "Yes.", "tool_calls": [{"name": "f", "arguments": {"ä": [1, None, 2.5]}}]},
]
TOOLS = [{"type": "function", "function": {"name": "f", "description": "<b>'é'</b>"}}]
PLAIN = {
    "blocks are trimmed": "{% for m in messages %}\n  {% if loop.first %}{{ bos_token }}{% endif %}\n"
    "<|{{ m['role'] }}|>{{ m.content | trim }}\n{% endfor %}\n{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "JSON keeps its characters": "{{ tools | tojson }}{{ messages[2].tool_calls | tojson(indent=2) }}"
    "{{ messages[2] | tojson(ensure_ascii=true, sort_keys=true) }}{{ messages | tojson(separators=(',', ':')) }}",
    "loops are left": "{% for m in messages %}"
    "{% if m.role == 'user' %}{% break %}{% endif %}{{ m.content }}{% endfor %}",
    "own names": "{% set text = messages[0].content %}{% macro say(x) %}[{{ x }}]{% endmacro %}{{ say(text) }}"
    "{% if tools is none %}no tools{% endif %}{% if nothing_given is defined %}?{% endif %}",
    "lists": "{{ messages[::-1][0].role }}{{ (messages | length) ~ messages | map(attribute='role') | join(',') }}",
}
LEFT = {
    "a namespace": "{% set ns = namespace(x=1) %}{{ ns.x }}",
    "the date": "{{ strftime_now('%Y') }}",
    "a dictionary": "{{ dict(a=1).a }}",
    "the assistant's part marked": "{% generation %}{{ messages[2].content }}{% endgeneration %}",
}


def _theirs(template: str, turns: list[dict[str, Any]], prompt: bool, **given: Any) -> str:
    texts, _ = render_jinja_template(
        conversations=[turns], chat_template=template, add_generation_prompt=prompt, **given
    )
    return str(texts[0])


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("tools", [None, TOOLS])
def test_a_plain_template_gives_the_text_of_transformers(name: str, tools: list[dict[str, Any]] | None) -> None:
    """With and without tools and the prompt for an answer, character by character."""
    template = PLAIN[name].replace("nothing_given", "eos_token")
    for prompt in (False, True):
        given = {"bos_token": "<s>", "eos_token": "</s>", "tools": tools}
        own = render_plain(template, TURNS, prompt, **given)
        assert own is not None
        assert own == _theirs(template, TURNS, prompt, **given)


@pytest.mark.parametrize("name", LEFT)
def test_what_needs_more_names_is_left_to_transformers(name: str) -> None:
    """transformers renders it; nothing is rendered here."""
    assert render_plain(LEFT[name], TURNS, False) is None
    assert _theirs(LEFT[name], TURNS, False)


def test_a_message_that_transformers_changes_is_left_to_it() -> None:
    """Reasoning is copied under other names there, which a template may read."""
    turns = [{"role": "assistant", "content": "4", "thinking": "2 + 2"}]
    template = "{{ messages[0].reasoning_content }}"
    assert render_plain(template, turns, False) is None
    assert _theirs(template, turns, False) == "2 + 2"


def test_a_template_may_refuse_a_conversation() -> None:
    """Its own message is raised, as by transformers."""
    template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(TemplateError, match="roles must alternate"):
        render_plain(template, TURNS, False)
    with pytest.raises(TemplateError, match="roles must alternate"):
        _theirs(template, TURNS, False)


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ messages.append({}) }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ raise_exception.__globals__ }}",
        "{{ '{0.__class__}'.format(messages) }}",
    ],
)
def test_a_template_cannot_reach_out_of_its_sandbox(template: str) -> None:
    """Attributes of Python's own and changes of what it was given are refused or render as nothing."""
    turns = [dict(turn) for turn in TURNS]
    try:
        text = render_plain(template, turns, False)
    except TemplateError:
        text = ""
    assert not text
    assert turns == TURNS


def test_rendering_imports_neither_torch_nor_transformers(tiny_model: Path) -> None:
    """That is what it is for: the rows of a calibration are encoded without them."""
    asked = {"data": {"path": "builtin:stdlib", "kind": "instructions"}, "shape": [2, 16]}
    code = (
        "import runpy, sys\nrunpy.run_module('executors.activations.text', run_name='__main__')\n"
        "print('\\n', sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    told = f"{json.dumps(asked)}\n{json.dumps(str(tiny_model))}\n"
    done = subprocess.run([sys.executable, "-c", code], input=told, capture_output=True, text=True, check=True)
    ids, seen = done.stdout.split("\n", 1)
    assert len(json.loads(ids)["ids"]) == 2
    assert seen.strip() == "[]"
