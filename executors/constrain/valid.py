"""Whether a JSON value is valid against a schema of the kind that is decoded under. A check apart from the decoder."""

from __future__ import annotations

import re
from typing import Any

from executors.constrain.schema import _is_of


def is_valid(value: Any, schema: Any, root: Any = None) -> bool:
    """True when `value` satisfies `schema`; keywords that the decoder refuses are not looked at."""
    root = schema if root is None else root
    if isinstance(schema, bool):
        return schema
    if "$ref" in schema:
        found = root
        for part in schema["$ref"].removeprefix("#").strip("/").split("/"):
            found = found[part] if part else found
        return is_valid(value, found, root)
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and not any(value == listed and type(value) is type(listed) for listed in schema["enum"]):
        return False
    kinds = schema.get("type")
    if kinds is not None and not any(_is_of(value, kind) for kind in (kinds if isinstance(kinds, list) else [kinds])):
        return False
    if "anyOf" in schema and not any(is_valid(value, part, root) for part in schema["anyOf"]):
        return False
    return _bounds_hold(value, schema) and _parts_hold(value, schema, root)


def _bounds_hold(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, str):
        pattern = schema.get("pattern")
        is_long = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return is_long and (pattern is None or re.search(pattern, value) is not None)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (
            schema.get("minimum", value) <= value <= schema.get("maximum", value)
            and value > schema.get("exclusiveMinimum", float("-inf"))
            and value < schema.get("exclusiveMaximum", float("inf"))
        )
    return True


def _parts_hold(value: Any, schema: dict[str, Any], root: Any) -> bool:
    if isinstance(value, dict):
        known = schema.get("properties", {})
        if any(name not in value for name in schema.get("required", [])):
            return False
        if schema.get("additionalProperties") is False and any(name not in known for name in value):
            return False
        return all(is_valid(inner, known[name], root) for name, inner in value.items() if name in known)
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return False
        return "items" not in schema or all(is_valid(inner, schema["items"], root) for inner in value)
    return True
