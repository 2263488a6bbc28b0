"""Where an answer differs from another one, word by word."""

from __future__ import annotations

import difflib
import re

_WORDS = re.compile(r"\s*\S+|\s+$")


def marked(reference: str, answer: str) -> list[tuple[str, bool]]:
    """The answer in pieces that together are it, each with whether it differs from the reference."""
    before, after = _WORDS.findall(reference), _WORDS.findall(answer)
    found = difflib.SequenceMatcher(None, [w.strip() for w in before], [w.strip() for w in after], autojunk=False)
    return [("".join(after[a:b]), tag != "equal") for tag, _, _, a, b in found.get_opcodes() if b > a]


def likeness(reference: str, answer: str) -> str:
    """`the same`, or how many of its words stand in the reference too."""
    if reference.split() == answer.split():
        return "the same as the baseline"
    pieces = marked(reference, answer)
    total = len(answer.split())
    same = sum(len(text.split()) for text, differs in pieces if not differs)
    return f"{same} of {total} words as the baseline" if total else "no answer"
