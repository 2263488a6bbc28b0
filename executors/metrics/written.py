"""How right a written answer is: the same after normalising, and the words it shares with the right one.

Exact match and F1 as SQuAD measures them (Rajpurkar et al. 2016, section 6.1); case, punctuation at the ends, quotes
and articles do not count. Signatures and names are compared whole.
"""

from __future__ import annotations

import re
from collections import Counter

_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalised(text: str) -> str:
    """Lower case, one space between words, without articles, quotes, and punctuation at the end."""
    plain = _ARTICLES.sub(" ", text.lower().replace("`", "").replace('"', "").replace("'", ""))
    return " ".join(plain.split()).strip(" .,;:!?")


def exact_match(answer: str, wanted: str) -> float:
    """1.0 when both are the same once normalised, else 0.0."""
    return float(normalised(answer) == normalised(wanted))


def f1(answer: str, wanted: str) -> float:
    """Harmonic mean of precision and recall of the answer's words."""
    said, right = _words(answer), _words(wanted)
    shared = sum((Counter(said) & Counter(right)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(said), shared / len(right)
    return 2 * precision * recall / (precision + recall)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", normalised(text))
