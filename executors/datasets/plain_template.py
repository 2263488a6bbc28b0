"""Chat templates rendered without importing transformers, which takes longer than rendering a thousand conversations.

Only templates that use nothing but what they are given, and data that is passed on unchanged; transformers renders all
others. The sandbox is jinja2's own, stricter than there: no names are known but those of the conversation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template

KNOWN = frozenset({"messages", "tools", "documents", "add_generation_prompt"})
"""What every template is given besides its special tokens."""
ALIASED = ("reasoning_content", "thinking", "reasoning")
"""Keys of a message that transformers copies under other names."""


def render_plain(
    template: str, messages: Sequence[Mapping[str, Any]], add_generation_prompt: bool, **given: Any
) -> str | None:
    """The conversation as text, or None when this is to be left to transformers. Raises what the template raises."""
    if any(key in message for message in messages for key in ALIASED):
        return None
    compiled = _compiled(template, frozenset(given))
    if compiled is None:
        return None
    told = {"tools": None, "documents": None, **given}
    return compiled.render(messages=messages, add_generation_prompt=add_generation_prompt, **told)


@lru_cache(maxsize=32)
def _compiled(template: str, given: frozenset[str]) -> Template | None:
    """None where the template names something else or is written in an extension's words."""
    from jinja2 import TemplateSyntaxError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals = {"raise_exception": _refuse}
    environment.filters["tojson"] = _as_json
    try:
        named = meta.find_undeclared_variables(environment.parse(template))
    except TemplateSyntaxError:
        return None
    return environment.from_string(template) if named <= KNOWN | given | set(environment.globals) else None


def _refuse(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)


def _as_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """jinja2's own filter would write HTML's special characters in another way."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
