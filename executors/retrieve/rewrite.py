"""Questions rewritten by the model before they are searched: HyDE, several wordings, or parts.

HyDE (Gao et al. 2022) searches with a made-up answer; what is made up is only searched with, never shown. The question
itself is always searched too, and the lists are merged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

Rewrite = Literal["none", "hyde", "multi-query", "decompose"]
Write = Callable[[list[str]], list[str]]
"""Has the model answer prompts."""
ASK = {
    "hyde": "Write one sentence that could stand in a manual and answers this question: {question}",
    "multi-query": "Write this question in two other ways, one on each line: {question}",
    "decompose": "Split this question into simpler questions, one on each line: {question}",
}
MOST, LONGEST = 3, 400
_NUMBER = re.compile(r"^\s*(?:[-*\u2022]|\d+[.)])\s*")


def rewritten(kind: Rewrite, questions: Sequence[str], write: Write) -> list[list[str]]:
    """What is searched for beside each question: at most `MOST` lines of what the model wrote."""
    if kind == "none":
        return [[] for _ in questions]
    said = write([ASK[kind].replace("{question}", question) for question in questions])
    return [_lines(text, kind, question) for text, question in zip(said, questions, strict=True)]


def _lines(text: str, kind: Rewrite, question: str) -> list[str]:
    if kind == "hyde":
        return [text.strip()[:LONGEST]] if text.strip() else []
    lines = [_NUMBER.sub("", line).strip()[:LONGEST] for line in text.splitlines()]
    return [line for line in dict.fromkeys(lines) if line and line != question][:MOST]
