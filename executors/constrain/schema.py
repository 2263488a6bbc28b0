"""JSON Schema as a regular language: compact JSON, properties in the order of the schema, everything bounded.

Of JSON Schema (draft 2020-12) it knows what has a finite regular form: type, enum, const, properties, required, items,
anyOf, local $ref without recursion, bounds of lengths, items and numbers, and pattern. What it does not know
it refuses by name instead of ignoring it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.constrain import numbers
from executors.constrain.regular import (
    Choice,
    Node,
    OneOf,
    Repeat,
    Sequence,
    expression,
    literal,
    unicode_above_ascii,
    without,
)

LONGEST_STRING = 64
"""`maxLength` where a schema names none: a small model loops inside strings without an end."""
MOST_ITEMS = 4
DEEPEST = 12
LARGEST_SCHEMA = 64 * 1024
"""Characters."""

_PLAIN = OneOf(frozenset(range(0x20, 0x7F)) - frozenset(b'"\\'))
_TO_ESCAPE = frozenset(range(0x20)) | frozenset(b'"\\\x7f')
_ESCAPED = Sequence((literal("\\"), OneOf(frozenset(b'"\\/bfnrt'))))
_CHARACTER = Choice((_PLAIN, unicode_above_ascii(), _ESCAPED))
_SAID = frozenset({"title", "description", "default", "examples", "$schema", "$id", "$defs", "definitions", "$comment"})
_KNOWN = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "boolean": frozenset(),
    "null": frozenset(),
}


def from_schema(schema: dict[str, Any]) -> Node:
    """The language of compact JSON texts that are valid against `schema`.

    Raises AdvisorError for a schema that is too large or deep, that nothing satisfies, or that says what is not known
    here; the place in it is named.
    """
    try:
        size = len(json.dumps(schema))
    except (TypeError, ValueError, RecursionError):
        raise AdvisorError("the schema is not JSON", hint="give a JSON Schema object") from None
    if size > LARGEST_SCHEMA:
        raise AdvisorError(f"the schema has {size} characters", hint=f"at most {LARGEST_SCHEMA} can be decoded under")
    return _Reader(schema).value(schema, "#", 0)


@dataclass(frozen=True)
class _Reader:
    root: dict[str, Any]

    def value(self, schema: Any, place: str, depth: int) -> Node:
        if depth > DEEPEST:
            raise AdvisorError(
                f"the schema is deeper than {DEEPEST} levels at {place[:120]}",
                why="it refers to itself, or nests further than can be decoded under",
                hint="flatten it",
            )
        if schema is False:
            raise _unsatisfiable(place, "false allows no value")
        if not isinstance(schema, dict):
            raise AdvisorError(f"{place} is not a schema", why=f"it is {str(schema)[:60]!r}")
        if "$ref" in schema:
            return self.value(self._referred(schema["$ref"], place), place, depth + 1)
        if "enum" in schema or "const" in schema:
            return self._listed(schema, place)
        if "anyOf" in schema:
            return self._any_of(schema, place, depth)
        kinds = schema.get("type")
        if isinstance(kinds, list) and kinds:
            return Choice(tuple(self._typed(kind, _only(schema, kind), place, depth) for kind in kinds))
        if kinds is None:
            kinds = "object" if "properties" in schema else "array" if "items" in schema else None
        return self._typed(kinds, schema, place, depth)

    def _typed(self, kind: Any, schema: dict[str, Any], place: str, depth: int) -> Node:
        if not isinstance(kind, str) or kind not in _KNOWN:
            raise AdvisorError(
                f"{place} has no type that can be decoded under",
                why=f"type is {kind!r}",
                hint=f"type is one of {', '.join(_KNOWN)}; or give enum, const or anyOf",
            )
        _refuse_unknown(schema, _KNOWN[kind] | {"type"}, place)
        match kind:
            case "object":
                return self._object(schema, place, depth)
            case "array":
                return self._array(schema, place, depth)
            case "string":
                return _string(schema, place)
            case "boolean":
                return Choice((literal("true"), literal("false")))
            case "null":
                return literal("null")
            case _:
                return _number(schema, kind, place)

    def _object(self, schema: dict[str, Any], place: str, depth: int) -> Node:
        """Members in the order given; optional ones may be left out. What is not listed is never written."""
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise AdvisorError(f"{place} is no object schema", why="properties is a mapping and required a list")
        missing = [name for name in required if name not in properties]
        if missing:
            raise _unsatisfiable(place, f"{missing[0]!r} is required and not among its properties")
        members: list[tuple[Node, bool]] = []
        for name, part in properties.items():
            inner = self.value(part, f"{place}/{name}", depth + 1)
            members.append((Sequence((literal(f"{json.dumps(name)}:"), inner)), name in required))
        return Sequence((literal("{"), _members(members), literal("}")))

    def _array(self, schema: dict[str, Any], place: str, depth: int) -> Node:
        low = _count(schema, "minItems", 0, place)
        high = _count(schema, "maxItems", max(low, MOST_ITEMS), place)
        if low > high:
            raise _unsatisfiable(place, f"minItems {low} is more than maxItems {high}")
        if high == 0:
            return literal("[]")
        item = self.value(schema.get("items", {"type": "string"}), f"{place}/items", depth + 1)
        more = Repeat(Sequence((literal(","), item)), max(0, low - 1), high - 1)
        filled = Sequence((literal("["), item, more, literal("]")))
        return filled if low else Choice((literal("[]"), filled))

    def _any_of(self, schema: dict[str, Any], place: str, depth: int) -> Node:
        _refuse_unknown(schema, frozenset({"anyOf"}), place)
        parts = schema["anyOf"]
        if not isinstance(parts, list) or not parts:
            raise _unsatisfiable(place, "anyOf lists no schema")
        return Choice(tuple(self.value(part, f"{place}/anyOf/{n}", depth + 1) for n, part in enumerate(parts)))

    def _listed(self, schema: dict[str, Any], place: str) -> Node:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        if not isinstance(values, list) or not values:
            raise _unsatisfiable(place, "enum lists no value")
        kinds = schema.get("type")
        if kinds is not None:
            wanted = kinds if isinstance(kinds, list) else [kinds]
            values = [value for value in values if any(_is_of(value, kind) for kind in wanted)]
            if not values:
                raise _unsatisfiable(place, f"no listed value is of type {kinds}")
        _refuse_unknown(schema, frozenset({"enum", "const", "type"}), place)
        return Choice(tuple(literal(compact(value)) for value in values))

    def _referred(self, reference: Any, place: str) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise AdvisorError(
                f"{place} refers to {str(reference)[:80]!r}", why="only places in the same schema are read"
            )
        found: Any = self.root
        for part in reference.removeprefix("#").strip("/").split("/"):
            part = part.replace("~1", "/").replace("~0", "~")
            if part and (not isinstance(found, dict) or part not in found):
                raise AdvisorError(f"{place} refers to {reference[:80]!r}, which is not in the schema")
            found = found[part] if part else found
        return found


def compact(value: Any) -> str:
    """JSON as it is decoded: no white space, characters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _members(members: list[tuple[Node, bool]]) -> Node:
    """Members separated by commas. `tail[first]`: what may follow from here on, with or without a comma before it."""
    bare: Node = Sequence(())
    comma: Node = Sequence(())
    for member, is_required in reversed(members):
        here, there = Sequence((member, comma)), Sequence((literal(","), member, comma))
        bare, comma = (here, there) if is_required else (Choice((here, bare)), Choice((there, comma)))
    return bare


def _string(schema: dict[str, Any], place: str) -> Node:
    if "pattern" in schema:
        if {"minLength", "maxLength"} & set(schema):
            raise AdvisorError(
                f"{place}: pattern and lengths together cannot be decoded under", hint="say it in pattern"
            )
        # What JSON would escape is taken out of the expression: then the text is what stands between the quotes.
        return Sequence((literal('"'), without(expression(str(schema["pattern"])), _TO_ESCAPE), literal('"')))
    low = _count(schema, "minLength", 0, place)
    high = _count(schema, "maxLength", max(low, LONGEST_STRING), place)
    if low > high:
        raise _unsatisfiable(place, f"minLength {low} is more than maxLength {high}")
    return Sequence((literal('"'), Repeat(_CHARACTER, low, high), literal('"')))


def _number(schema: dict[str, Any], kind: str, place: str) -> Node:
    import math

    bounds = {key: schema[key] for key in _KNOWN["number"] if key in schema}
    for key, value in bounds.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise AdvisorError(f"{place}: {key} is no number", why=f"it is {str(value)[:60]!r}")
    if not bounds:
        return numbers.whole(-numbers.LARGEST, numbers.LARGEST) if kind == "integer" else numbers.anything()
    step = 1 if kind == "integer" else 10.0**-numbers.DECIMALS
    low, high = bounds.get("minimum"), bounds.get("maximum")
    if "exclusiveMinimum" in bounds:
        open_low = bounds["exclusiveMinimum"]
        edge = math.floor(open_low) + 1 if kind == "integer" else open_low + step
        low = edge if low is None else max(low, edge)
    if "exclusiveMaximum" in bounds:
        open_high = bounds["exclusiveMaximum"]
        edge = math.ceil(open_high) - 1 if kind == "integer" else open_high - step
        high = edge if high is None else min(high, edge)
    low = low if low is not None else min(-numbers.LARGEST, high or 0)
    high = high if high is not None else max(numbers.LARGEST, low)
    if kind == "integer":
        low, high = math.ceil(low), math.floor(high)
    if low > high:
        raise _unsatisfiable(place, f"no {kind} lies between {low} and {high}")
    if max(abs(low), abs(high)) > 1e15:
        raise AdvisorError(f"{place}: its bounds are too large", hint="numbers up to 15 digits can be decoded under")
    return numbers.whole(int(low), int(high)) if kind == "integer" else numbers.decimal(low, high)


def _count(schema: dict[str, Any], key: str, otherwise: int, place: str) -> int:
    value = schema.get(key, otherwise)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 4096:
        raise AdvisorError(f"{place}: {key} is not a whole number from 0 to 4096", why=f"it is {str(value)[:60]!r}")
    return value


def _refuse_unknown(schema: dict[str, Any], known: frozenset[str], place: str) -> None:
    unknown = sorted(set(schema) - known - _SAID)
    if unknown:
        raise AdvisorError(
            f"{place}: {unknown[0]!r} cannot be decoded under",
            hint=f"known here are {', '.join(sorted(known | {'enum', 'const', 'anyOf', '$ref'}))}",
        )


def _only(schema: dict[str, Any], kind: Any) -> dict[str, Any]:
    """Of a schema of several types what belongs to one of them."""
    others = frozenset().union(*(words for name, words in _KNOWN.items() if name != kind))
    kept = _KNOWN.get(kind, frozenset()) if isinstance(kind, str) else frozenset()
    return {key: value for key, value in schema.items() if key not in others - kept}


def _is_of(value: Any, kind: Any) -> bool:
    match kind:
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case _:
            return isinstance(value, {"string": str, "array": list, "object": dict}.get(str(kind), ()))


def _unsatisfiable(place: str, why: str) -> AdvisorError:
    return AdvisorError(f"nothing satisfies the schema at {place[:120]}", why=why, hint="correct the schema")
