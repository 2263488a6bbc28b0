"""Turn plain values into a domain type, and every fault into a sentence that names place, key and nearest valid one."""

from __future__ import annotations

import re
import typing
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from advisor.domain.errors import AdvisorError
from advisor.files.located import KeyPath, Located

Model = TypeVar("Model", bound=BaseModel)

MAX_SHOWN = 5
_LIST, _KEYS = "it must be a list such as [a, b]", "it must hold keys and values"
_PLAIN_WORDS = {
    "tuple_type": _LIST,
    "list_type": _LIST,
    "model_type": _KEYS,
    "model_attributes_type": _KEYS,
    "dict_type": _KEYS,
    "string_type": "it must be text",
    "int_parsing": "it must be a whole number",
    "int_type": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "float_parsing": "it must be a number",
    "float_type": "it must be a number",
    "bool_parsing": "it must be true or false",
    "bool_type": "it must be true or false",
}
"""What is said in place of the validator's own words, which name Python types."""


def validate(located: Located, model: type[Model], what: str, hint: str = "") -> Model:
    """The file's values as `model`. Raises AdvisorError with every fault (at most five shown).

    `hint` replaces the pointer to `advisor schema WHAT`.
    """
    try:
        return model.model_validate(located.values)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    sentences: list[str] = []
    for fault in faults:
        sentence = _sentence(located, model, fault)
        if sentence not in sentences:
            sentences.append(sentence)
    shown = sentences[:MAX_SHOWN]
    if len(sentences) > MAX_SHOWN:
        shown.append(f"and {len(sentences) - MAX_SHOWN} more")
    raise AdvisorError("\n       ".join(shown), hint=hint or f"advisor schema {what} shows every key and value")


def nearest(word: str, words: typing.Iterable[str]) -> str | None:
    """The valid word closest to `word`, or None when nothing is close."""
    import difflib

    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return close[0] if close else None


def did_you_mean(word: str, words: typing.Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or what is valid when nothing is close."""
    known = sorted(words)
    close = nearest(word, known)
    if close is not None:
        return f" (did you mean {close!r}?)"
    return f" (one of: {', '.join(known[:12])}{', ...' if len(known) > 12 else ''})" if known else ""


def _sentence(located: Located, model: type[BaseModel], fault: Any) -> str:
    path: KeyPath = tuple(fault["loc"])
    dotted = ".".join(str(part) for part in path) or "the file"
    place = located.place(path)
    kind = fault["type"]
    if kind == "extra_forbidden":
        key = str(path[-1])
        parent = ".".join(str(part) for part in path[:-1])
        where = f" in {parent}" if parent else ""
        return f"{place}: unknown key {key!r}{where}{did_you_mean(key, keys_at(model, path[:-1]))}"
    if kind == "missing":
        return f"{place}: the key {dotted!r} is missing"
    if kind in ("literal_error", "enum"):
        valid = re.findall(r"'([^']*)'|\b(\d+)\b", str(fault["ctx"].get("expected", "")))
        words = [text or number for text, number in valid]
        said = f"{fault['input']!r} is not valid"
        if str(fault["input"]) in words:
            return f"{place}: {dotted}: {said}; write it without quotes or brackets"
        return f"{place}: {dotted}: {said}{did_you_mean(str(fault['input']), words)}"
    if kind in _PLAIN_WORDS:
        return f"{place}: {dotted}: {_PLAIN_WORDS[kind]}, got {_shown(fault.get('input'))}"
    message = str(fault["msg"])
    if kind == "value_error":
        return f"{place}: {dotted}: {message.removeprefix('Value error, ')}"
    return f"{place}: {dotted}: {message[0].lower()}{message[1:]}, got {_shown(fault.get('input'))}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Valid keys of the nested model that `path` leads to; empty when it leads to no model."""
    current: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, int) or current is None:
            continue
        found = next((f for n, f in current.model_fields.items() if (f.alias or n) == part), None)
        current = _model_in(found.annotation) if found else None
    return [f.alias or name for name, f in current.model_fields.items()] if current else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
