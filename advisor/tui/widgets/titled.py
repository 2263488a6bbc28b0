"""Lines of a report as styled text: what stands above an indented line is a title."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text


def titled(lines: Sequence[str]) -> Text:
    """The lines with their titles in bold."""
    text = Text()
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        is_title = number == 0 or (not line.startswith(" ") and following.startswith("  "))
        text.append(f"{line}\n", "bold" if is_title else "")
    return text
