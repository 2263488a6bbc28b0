"""Wrapped text for commands that show knowledge: 80 columns, no colour, no box art."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from advisor.domain.technique import Evidence

WIDTH = 80


def wrapped(mark: str, text: str) -> list[str]:
    """`text` in lines of at most 80 columns, the first after `mark`, the others indented under it."""
    indent = " " * min(len(mark), 8)
    return textwrap.wrap(
        text, WIDTH, initial_indent=mark, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def section(title: str, items: Iterable[str]) -> list[str]:
    """A titled list, or nothing when there are no items."""
    lines = [line for item in items for line in wrapped("  - ", item)]
    return ["", title, *lines] if lines else []


def evidence_text(evidence: Evidence) -> str:
    """One piece of evidence as a sentence with its model, figures and source."""
    figures = ", ".join(f"{name} {value}" for name, value in evidence.numbers.items())
    about = "; ".join(part for part in (evidence.model, figures) if part)
    return f"{evidence.text}{f' ({about})' if about else ''} [{evidence.source}]"
