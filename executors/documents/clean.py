"""Text of unknown origin as plain text: decoded, without control characters, bounded. Pure and linear in its length."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

LONGEST = 4 * 2**20
"""Characters of one document that are kept: about a million tokens."""
LONGEST_WORD = 2000
"""Characters without a space; longer runs are encoded data, not words."""
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
"""C0 and C1 controls (escape sequences begin with one), and the invisible characters that turn or hide text."""
_TAGS = re.compile("[\U000e0000-\U000e007f\ud800-\udfff]")
"""Invisible tag characters, and halves of surrogate pairs."""
_WORD = re.compile(rf"(?<!\S)\S{{{LONGEST_WORD + 1},}}")
"""From the start of a run only: tried from every place in it, a run just below the limit would take its square."""
_SPACES = re.compile(r"[ \t]{2,}")
_LINES = re.compile(r"\n{3,}")
_LEADING = re.compile(r"(?<![ \t])[ \t]+\n")
MOST_MARKS = 30
"""Combining marks on one letter; the limit of Unicode's stream-safe text (UAX 15, section 13)."""


def clean(text: str) -> tuple[str, tuple[str, ...]]:
    """The text as people see it, and what was left out of it, as sentences."""
    notes = []
    if len(text) > LONGEST:
        notes.append(f"only its first {LONGEST:,} of {len(text):,} characters are read")
        text = text[:LONGEST]
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n\n")
    if not text.isascii():
        # Sorting a long run of marks takes the square of its length.
        text, marks = _marks().subn(lambda match: match.group()[:MOST_MARKS], text)
        if marks:
            notes.append(f"{marks:,} runs of more than {MOST_MARKS} combining marks are cut")
        text = unicodedata.normalize("NFC", text)
    text, controls = _CONTROL.subn("", text)
    text, tags = _TAGS.subn("", text)
    if controls + tags:
        notes.append(f"{controls + tags:,} control or invisible characters are left out")
    text, words = _WORD.subn(" ", text)
    if words:
        notes.append(f"{words:,} runs of more than {LONGEST_WORD:,} characters without a space are left out")
    text = _LINES.sub("\n\n", _LEADING.sub("\n", _SPACES.sub(_kept, text)))
    return text.strip("\n").rstrip(), tuple(notes)


def decode(raw: bytes) -> tuple[str, str]:
    """Text and encoding of a file. UTF-8 and UTF-16 are told by themselves or their mark; else Windows-1252.

    Raises ValueError for bytes that are no text: with zero bytes, or mostly outside of what letters use.
    """
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if raw.startswith(mark):
            return raw.decode(name, errors="replace"), name
    if b"\x00" in raw[: 2**16]:
        raise ValueError("holds zero bytes: it is not text")
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        # A file cut in the middle of a character is still UTF-8.
        if error.start >= len(raw) - 3:
            return raw[: error.start].decode("utf-8"), "utf-8"
    text = raw.decode("cp1252", errors="replace")
    head = text[: 2**16]
    strange = sum(1 for c in head if c == "\ufffd" or (ord(c) < 32 and c not in "\t\n\r\x0c"))
    if strange * 50 > len(head):
        raise ValueError("is neither UTF-8 nor Windows-1252 text")
    return text, "cp1252"


@cache
def _marks() -> re.Pattern[str]:
    """Runs of more combining marks than any writing has."""
    found = "".join(map(chr, (code for code in range(sys.maxunicode + 1) if unicodedata.combining(chr(code)))))
    return re.compile(f"[{re.escape(found)}]{{{MOST_MARKS + 1},}}")


def _kept(match: re.Match[str]) -> str:
    """Indentation at the start of a line is kept: code lives by it."""
    at = match.start()
    return match.group() if at == 0 or match.string[at - 1] == "\n" else " "
