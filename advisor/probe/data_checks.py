"""Defects of a data set, found row by row in bounded memory: duplicates, leaks, empty answers, secrets, languages."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from hashlib import blake2b

MOST_HASHES = 500_000
"""About 50 MB. Above it only a known share of all hashes is kept, and counts are scaled up."""
SECRET_MARKS = ("AKIA", "ghp_", "gho_", "ghs_", "github_pat_", "sk-", "hf_", "xox", "-----BEGIN", "AIza", "eyJ", "assw")
SECRETS = re.compile(
    r"\bAKIA[0-9A-Z]{16}\b|\bgh[pos]_[A-Za-z0-9]{36}|\bgithub_pat_[A-Za-z0-9_]{22,}|\bsk-[A-Za-z0-9_-]{32,}"
    r"|\bhf_[A-Za-z0-9]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"
    r"|\bAIza[0-9A-Za-z_-]{35}|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"
    r"|(?i:\bpassw(?:or)?d\s*[:=]\s*[^\s\"']{8,})"
)
SAMPLED_ROWS, SAMPLED_CHARACTERS = 400, 400
STOP_WORDS = {
    "English": "the and of to is that for with are this what how",
    "German": "der die und das ist nicht ein mit auf für",
    "French": "le les des est une dans que pour qui pas", "Spanish": "el los que las una por con para como está",
    "Portuguese": "que os não uma para com em do da é", "Italian": "che il di la per non una sono della con",
    "Dutch": "het een van en dat niet zijn voor met aan",
}  # fmt: skip
_WORDS = {name: frozenset(words.split()) for name, words in STOP_WORDS.items()}
SCRIPTS = {
    "CJK": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean", "CYRILLIC": "Cyrillic",
    "ARABIC": "Arabic", "DEVANAGARI": "Devanagari", "HEBREW": "Hebrew", "THAI": "Thai", "GREEK": "Greek",
    "BENGALI": "Bengali", "TAMIL": "Tamil",
}  # fmt: skip
LEAST_SHARE = 0.1


class Seen:
    """Counts repeated texts by hash; in bounded memory, by keeping one hash in `every` when there are too many."""

    def __init__(self) -> None:
        self.every = 1
        self._hashes: set[int] = set()
        self._repeated = 0

    def add(self, text: str) -> bool:
        """Remember a text. True when it was seen before (as far as its hash is kept)."""
        value = digest(text)
        if value % self.every:
            return False
        if value in self._hashes:
            self._repeated += 1
            return True
        self._hashes.add(value)
        if len(self._hashes) > MOST_HASHES:
            self.every *= 2
            self._hashes = {h for h in self._hashes if h % self.every == 0}
            self._repeated //= 2
        return False

    @property
    def repeated(self) -> int:
        """How many texts were repetitions; an estimate once `every` is above 1."""
        return self._repeated * self.every

    def common(self, other: Seen) -> int:
        """How many different texts both hold."""
        every = max(self.every, other.every)
        return len({h for h in self._hashes if h % every == 0} & other._hashes) * every


def digest(text: str) -> int:
    """A 64-bit hash that is the same in every process. White space and case do not count."""
    return int.from_bytes(blake2b(" ".join(text.lower().split()).encode("utf-8", "replace"), digest_size=8).digest())


def has_secret(text: str) -> bool:
    """True when the text seems to hold a key, token or password. The cheap marks come first."""
    for mark in SECRET_MARKS:  # a generator here would double the time that a row takes
        if mark in text:
            return SECRETS.search(text) is not None
    return False


class Languages:
    """Guesses languages (by frequent words) and scripts (by characters) from the first rows."""

    def __init__(self) -> None:
        self._rows = 0
        self._found: Counter[str] = Counter()

    def add(self, text: str) -> None:
        if self._rows >= SAMPLED_ROWS or not text:
            return
        self._rows += 1
        self._found[_language(text[:SAMPLED_CHARACTERS])] += 1

    def dominant(self) -> tuple[str, ...]:
        """Those of at least a tenth of the rows that could be told, most common first."""
        told = Counter({name: n for name, n in self._found.items() if name})
        return tuple(name for name, n in told.most_common() if n >= LEAST_SHARE * told.total())


def _language(text: str) -> str:
    """One language or script; empty when nothing is clear."""
    scripts: Counter[str] = Counter()
    for character in text:
        if character.isalpha() and not character.isascii():
            scripts[unicodedata.name(character, "").partition(" ")[0]] += 1
    letters = sum(c.isalpha() for c in text)
    if scripts["HIRAGANA"] + scripts["KATAKANA"] > 0.1 * letters:
        return "Japanese"
    best = next((name for name, _ in scripts.most_common() if name in SCRIPTS), None)
    if best is not None and scripts[best] > 0.3 * letters:
        return SCRIPTS[best]
    words = text.lower().split()
    hits = {name: sum(word in known for word in words) for name, known in _WORDS.items()}
    language = max(hits, key=lambda name: hits[name])
    return language if hits[language] > 1 or (hits[language] and len(words) < 12) else ""
