"""Every documented function, class and method of the listed modules, and which side of the split each is on.

Items that are one object under two names, or that share a docstring or its summary, form one group, and a group is
held out or trained on as a whole: nothing that is measured has been learnt under another name.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from executors.datasets.rows import hashed
from executors.datasets.stdlib_modules import HOMES, MODULES, REPLACED

HELD_OUT_SHARE = 10
"""One group in this many is held out."""
SUMMARY_CHARACTERS = 400
_CALL = re.compile(r"(?:\w+\.)*(\w+)\(")
"""A name with what it is called on, before its arguments."""
_PARAGRAPH = re.compile(r"\n\s*\n")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True, slots=True)
class Item:
    """One documented object. `signature` is empty where Python cannot tell it."""

    name: str
    """Qualified, e.g. `json.JSONDecoder.decode`."""
    module: str
    kind: str
    """function | class | method | property"""
    signature: str
    doc: str
    summary: str
    """The first paragraph, on one line."""
    group: str
    """The first name of everything that belongs together."""

    @property
    def is_held_out(self) -> bool:
        return hashed(f"split:{self.group}") % HELD_OUT_SHARE == 0


@cache
def items() -> tuple[Item, ...]:
    """All items, in an order that depends on their names alone and is otherwise random."""
    found: dict[str, tuple[Item, int]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for name in MODULES:
            try:
                module = importlib.import_module(name)
            except ImportError:
                continue
            for item, identity in _of_module(name, module):
                found.setdefault(item.name, (item, identity))
    groups = _groups({name: (identity, item.doc, item.summary) for name, (item, identity) in found.items()})
    whole = (Item(i.name, i.module, i.kind, i.signature, i.doc, i.summary, groups[i.name]) for i, _ in found.values())
    return tuple(sorted(whole, key=lambda item: (hashed(f"order:{item.name}"), item.name)))


def _of_module(name: str, module: ModuleType) -> Iterator[tuple[Item, int]]:
    homes = {name, f"_{name}", f"_{name.partition('.')[0]}", *HOMES.get(name, ())}
    for attribute, value in sorted(vars(module).items()):
        home = getattr(value, "__module__", None) or name
        if attribute.startswith("_") or home not in homes or f"{name}.{attribute}" in REPLACED:
            continue
        if inspect.isclass(value):
            yield from _item(name, f"{name}.{attribute}", "class", value)
            for part, member in sorted(vars(value).items()):
                kind = "property" if isinstance(member, property) else "method"
                inner = getattr(member, "__func__", member)
                is_listed = not part.startswith("_") and (inspect.isroutine(inner) or kind == "property")
                if is_listed and _is_own(inner):
                    yield from _item(name, f"{name}.{attribute}.{part}", kind, inner)
        elif inspect.isroutine(value):
            yield from _item(name, f"{name}.{attribute}", "function", value)


def _is_own(member: Any) -> bool:
    """Whether the library itself defines it: transformers adds methods to `logging.Logger`."""
    home = getattr(member, "__module__", None)
    return not isinstance(home, str) or home.partition(".")[0] in sys.stdlib_module_names


def _item(module: str, name: str, kind: str, value: Any) -> Iterator[tuple[Item, int]]:
    """The item, with the identity of the object behind it, if it has a docstring that says something."""
    doc = inspect.cleandoc(value.__doc__) if isinstance(getattr(value, "__doc__", None), str) else ""
    name = name.removeprefix("builtins.")
    signature = _signature(name, value) if kind != "property" else ""
    summary = _summary(doc, name.rpartition(".")[2])
    if len(summary) >= 15:
        yield Item(name, module, kind, signature, doc, summary, ""), id(inspect.unwrap(value))


def _summary(doc: str, short: str) -> str:
    """The first paragraph that is not a signature line, on one line, cut after a sentence if it is long."""
    for paragraph in _PARAGRAPH.split(doc):
        lines = [line.strip() for line in paragraph.splitlines()]
        while lines and (found := _CALL.match(lines[0])) and found[1] == short:
            lines.pop(0)
        text = " ".join(line for line in lines if line)
        if not text:
            continue
        if len(text) <= SUMMARY_CHARACTERS:
            return text
        cut = text[:SUMMARY_CHARACTERS]
        return cut[: cut.rfind(". ") + 1] or cut.rpartition(" ")[0]
    return ""


def _signature(name: str, value: Any) -> str:
    try:
        text = str(inspect.signature(value))
    except (ValueError, TypeError):
        return ""
    return "" if _ADDRESS.search(text) or len(text) > SUMMARY_CHARACTERS else f"{name}{text}"


def _groups(traits: dict[str, tuple[Any, ...]]) -> dict[str, str]:
    """Union of names that share any trait; each name maps to the first name of its group."""
    parent = {name: name for name in traits}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    owner: dict[tuple[int, Any], str] = {}
    for name in sorted(traits):
        for position, trait in enumerate(traits[name]):
            first, second = sorted((root(owner.setdefault((position, trait), name)), root(name)))
            parent[second] = first
    return {name: root(name) for name in traits}
