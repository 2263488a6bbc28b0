"""A YAML, JSON or TOML file as plain values, together with the line of every key.

Safe loaders only. At most 1 MiB; alias bombs and duplicate keys are refused. It knows nothing of what the keys mean.
"""

from __future__ import annotations

import sys
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.record import record

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 1 << 20
MAX_NODES = 50_000
"""Nodes after aliases are expanded; a file a person writes has some hundreds."""

KeyPath = tuple[str | int, ...]


@record
class Located:
    """Plain values of a file, where it came from, and the line (from 1) of each key path."""

    name: str
    values: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """`file:line` of the key, or of its nearest located parent; the file's name when no line is known."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return f"{self.name}:{self.lines[path[:end]]}"
        return self.name


def read_located(path: str) -> Located:
    """Read `path` (`-`: standard input). Raises AdvisorError for anything unreadable."""
    name = "<stdin>" if path == "-" else path
    text = _read_text(path, name)
    suffix = Path(path).suffix.lower()
    if suffix == ".toml":
        return _from_toml(name, text)
    if suffix == ".json":
        return _from_json(name, text)
    return _from_yaml(name, text)


def _read_text(path: str, name: str) -> str:
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise AdvisorError(f"{name}: no such file", hint="check the path") from None
    except IsADirectoryError:
        raise AdvisorError(f"{name} is a folder", hint="name a file") from None
    except PermissionError:
        raise AdvisorError(f"{name}: permission denied", code=ExitCode.DISK, hint="make it readable") from None
    except OSError as error:
        raise AdvisorError(f"{name}: cannot be read", why=str(error.strerror or error), code=ExitCode.DISK) from None
    if len(data) > MAX_BYTES:
        raise AdvisorError(f"{name} is larger than 1 MiB", why="such a file is written by a person and stays small")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise AdvisorError(f"{name}:{line}: not UTF-8", hint="save the file as UTF-8") from None


def _from_json(name: str, text: str) -> Located:
    import json

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in pairs:
            if key in values:
                raise AdvisorError(f"{name}: the key {key!r} stands twice", hint="keep one of them")
            values[key] = value
        return values

    try:
        values = json.loads(text, object_pairs_hook=no_duplicates)
    except json.JSONDecodeError as error:
        raise AdvisorError(f"{name}:{error.lineno}: not valid JSON", why=error.msg) from None
    except RecursionError:
        raise AdvisorError(f"{name}: nested too deeply") from None
    return Located(name, _mapping(name, values), _lines_by_search(text, values))


def _from_toml(name: str, text: str) -> Located:
    import tomllib

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AdvisorError(f"{name}: not valid TOML", why=str(error)) from None
    return Located(name, values, _lines_by_search(text, values))


def _lines_by_search(text: str, values: Any) -> dict[KeyPath, int]:
    """Lines of the top two levels of keys, by their first mention: JSON and TOML parsers give no positions."""
    lines: dict[KeyPath, int] = {}
    rows = text.splitlines()

    def find(key: str, start: int) -> int | None:
        marks = (f'"{key}"', f"{key} ", f"{key}=", f"{key}]")
        return next(
            (n for n in range(start, len(rows)) if f'"{key}"' in rows[n] or rows[n].lstrip(" {[,").startswith(marks)),
            None,
        )

    for key, value in values.items() if isinstance(values, dict) else ():
        at = find(str(key), 0)
        if at is None:
            continue
        lines[(key,)] = at + 1
        for inner in value if isinstance(value, dict) else ():
            inner_at = find(str(inner), at)
            if inner_at is not None:
                lines[(key, inner)] = inner_at + 1
    return lines


def _from_yaml(name: str, text: str) -> Located:
    import yaml

    loader_type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        loader = loader_type(text)
        try:
            node = loader.get_single_node()
            lines: dict[KeyPath, int] = {}
            if node is not None:
                _locate(name, node, (), lines, [0])
            values = {} if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}" if mark else name
        raise AdvisorError(f"{place}: not valid YAML", why=str(error.problem or error.context)) from None
    except RecursionError:
        why = "it is nested too deeply, or an alias (*name) stands within what it names"
        raise AdvisorError(f"{name}: not valid YAML", why=why, hint="write the values out") from None
    except (yaml.YAMLError, ValueError) as error:
        raise AdvisorError(f"{name}: not valid YAML", why=" ".join(str(error).split())[:200]) from None
    return Located(name, _mapping(name, values), lines)


def _locate(name: str, node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], count: list[int]) -> None:
    """Record the line of every key, refuse duplicate keys, and count nodes with aliases expanded."""
    import yaml

    count[0] += 1
    if count[0] > MAX_NODES:
        raise AdvisorError(
            f"{name}: more than {MAX_NODES:,} values once its aliases are expanded",
            why="a file that a person writes has some hundreds",
            hint="write the values out without aliases (*name)",
            code=ExitCode.REFUSED,
        )
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            lines[(*path, number)] = item.start_mark.line + 1
            _locate(name, item, (*path, number), lines, count)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in seen:
                raise AdvisorError(f"{name}:{line}: the key {key!r} stands twice", hint="keep one of them")
            seen.add(key)
            lines[(*path, key)] = line
            _locate(name, value_node, (*path, key), lines, count)


def _mapping(name: str, values: Any) -> dict[str, Any]:
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise AdvisorError(f"{name}: it must hold keys and values", why=f"it holds a {type(values).__name__}")
    return {str(key): value for key, value in values.items()}
