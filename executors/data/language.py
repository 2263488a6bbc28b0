"""Which language a text is in, told by its most frequent words. Enough to find rows of another language, no more."""

from __future__ import annotations

from advisor.domain.languages import name_of

WORDS = {
    "English": "the and of to is that for with are this what how you not be",
    "German": "der die und das ist nicht ein mit auf für sie zu dem den",
    "French": "le les des est une dans que pour qui pas vous avec sur",
    "Spanish": "el los que las una por con para como está del su",
    "Portuguese": "que os não uma para com em do da é seu",
    "Italian": "che il di la per non una sono della con del",
    "Dutch": "het een van en dat niet zijn voor met aan de",
}
_KNOWN = {name: frozenset(words.split()) for name, words in WORDS.items()}
CLEAR = 0.08
"""Share of telling words from which a language is certain enough to drop a row for."""


def language_of(text: str) -> str:
    """The language by name, or nothing when the text does not clearly tell."""
    words = text.lower().split()
    if len(words) < 4:
        return ""
    hits = {name: sum(word.strip(".,;:!?") in known for word in words) for name, known in _KNOWN.items()}
    best, second = sorted(hits.values(), reverse=True)[:2]
    return max(hits, key=lambda name: hits[name]) if best >= CLEAR * len(words) and best > second else ""


def is_other(text: str, wanted: str) -> bool:
    """Whether the text is clearly in another language than the wanted one, given by code or name."""
    found = language_of(text)
    return bool(found) and name_of(wanted).lower() in map(str.lower, WORDS) and found.lower() != name_of(wanted).lower()
