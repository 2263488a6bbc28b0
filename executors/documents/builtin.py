"""`builtin:stdlib` as documents: one Markdown document per module, a heading per object. All objects are in there.

Unlike the rows for training it has no split: what is asked about is in the documents, and the questions are split.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from executors.datasets import stdlib
from executors.datasets.stdlib_items import Item, items
from executors.documents.document import Document, Source

NAME = stdlib.NAME


def sources() -> Iterator[Source]:
    """One source per module, by name."""
    for module, text in _texts().items():
        yield Source(module, None, hashlib.sha256(text.encode()).hexdigest())


def document(source: Source) -> Document:
    """The document of a module. Raises KeyError for a module that is not among the sources."""
    return Document(source.name, f"Module {source.name}", _texts()[source.name], source.sha256)


@cache
def _texts() -> dict[str, str]:
    modules: defaultdict[str, list[Item]] = defaultdict(list)
    for item in sorted(items(), key=lambda item: item.name):
        modules[item.module].append(item)
    return {name: f"# Module {name}\n\n" + "\n\n".join(map(_entry, modules[name])) for name in sorted(modules)}


def _entry(item: Item) -> str:
    signature = f"`{item.signature}`\n\n" if item.signature else ""
    return f"## {item.kind} {item.name}\n\n{signature}{item.doc}"
