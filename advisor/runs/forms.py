"""A form for the settings of a step, made from its executor's `Config`: fields with types, bounds and defaults.

It reads what a person typed and has the executor check the whole. What the settings cost is judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from advisor.domain.errors import AdvisorError
from advisor.domain.technique import Technique

SETTLED = frozenset({"method", "format", "data"})
"""What the technique and the answers decide: another method is another technique."""
_BOUNDS = (
    ("minimum", "at least"),
    ("exclusiveMinimum", "above"),
    ("maximum", "at most"),
    ("exclusiveMaximum", "below"),
)
_WORDS = {"integer": "whole number", "number": "number", "boolean": "yes or no", "text": "text"}
_YES, _NO = ("yes", "true", "on"), ("no", "false", "off")

Kind = Literal["integer", "number", "boolean", "choice", "text"]


@dataclass(frozen=True)
class FormField:
    """One setting. `default` is what holds when nothing is typed; None: the executor decides."""

    name: str
    kind: Kind
    default: Any = None
    choices: tuple[str, ...] = ()
    """As they are typed; `values` are what they stand for, which may be numbers."""
    values: tuple[Any, ...] = ()
    bounds: str = ""
    told: str = ""

    @property
    def expects(self) -> str:
        """What may be typed, in words: `whole number, at least 1, at most 1024`."""
        words = f"one of {', '.join(self.choices)}" if self.kind == "choice" else _WORDS[self.kind]
        return f"{words}, {self.bounds}" if self.bounds else words

    def parse(self, text: str) -> Any:
        """What was typed, as a value. Raises AdvisorError saying what is expected."""
        word = text.strip()
        try:
            return self._read(word)
        except ValueError:
            raise AdvisorError(f"{self.name}: {word!r} will not do", hint=self.expects) from None

    def _read(self, word: str) -> Any:
        match self.kind:
            case "integer":
                return int(word.replace("_", "").replace(",", ""))
            case "number":
                return float(word)
            case "boolean":
                if word.lower() not in (*_YES, *_NO):
                    raise ValueError(word)
                return word.lower() in _YES
            case "choice":
                return self.values[self.choices.index(word)]
        return word


def shown(value: Any) -> str:
    """A value as it would be typed; empty for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def form_of(technique: Technique, chosen: Mapping[str, Any]) -> tuple[FormField, ...]:
    """The fields of a technique's executor, with the values `chosen` for the step as their defaults.

    Raises AdvisorError for a technique that has no executor, or nothing to set.
    """
    from advisor.runs.prepare import config_form

    if technique.executor is None:
        raise AdvisorError(f"{technique.id} is not run here, so it has no settings", why=technique.why_not or "")
    schema, told = config_form(technique.executor)
    defaults = {**technique.config, **chosen}
    fields = (
        _field(name, spec, defaults.get(name, spec.get("default")), told.get(name, ""))
        for name, spec in schema["properties"].items()
        if name not in SETTLED
    )
    found = tuple(field for field in fields if field is not None)
    if not found:
        raise AdvisorError(f"{technique.id} has nothing to set")
    return found


def _field(name: str, spec: Mapping[str, Any], default: Any, told: str) -> FormField | None:
    """One property of a JSON schema as a field; None for what cannot be typed in one line."""
    kinds = [kind for kind in spec.get("anyOf", [spec]) if kind.get("type") != "null"]
    for kind in kinds:
        bounds = ", ".join(f"{words} {kind[key]:,}" for key, words in _BOUNDS if key in kind)
        if "enum" in kind or "const" in kind:
            values = tuple(kind.get("enum", (kind.get("const"),)))
            return FormField(name, "choice", default, tuple(map(shown, values)), values, told=told)
        if kind.get("type") in ("integer", "number", "boolean"):
            return FormField(name, kind["type"], default, bounds=bounds, told=told)
        if kind.get("type") == "string":
            return FormField(name, "text", default, told=told)
    return None


def read_form(technique: Technique, fields: tuple[FormField, ...], typed: Mapping[str, str]) -> dict[str, Any]:
    """The settings that were typed: those left empty or at their default are not among them.

    Raises AdvisorError for the first that is wrong by itself, or that the executor refuses beside the others.
    """
    settings: dict[str, Any] = {}
    for field in fields:
        text = typed.get(field.name, "").strip()
        if text and text != shown(field.default):
            settings[field.name] = field.parse(text)
    check(technique, settings)
    return settings


def check(technique: Technique, settings: Mapping[str, Any]) -> None:
    """Raises AdvisorError for settings that the executor of the technique refuses."""
    from advisor.runs.prepare import check_config, config_form

    executor = str(technique.executor)
    config = {**technique.config, **settings}
    if "data" in config_form(executor)[0]["properties"]:
        # The data comes from the answers and is checked before a run; any that is valid will do here.
        config["data"] = {"path": "builtin:stdlib", "kind": "text"}
    check_config(executor, technique.id, config)
