"""What can be said of an item in English and in German alike: its module, parameters, and how long it is.

Grammatical sentences made from facts, so that a second language is at hand without a network. They are for trying
training in a language, not for learning German.
"""

from __future__ import annotations

from executors.datasets.rows import Parallel, hashed
from executors.datasets.stdlib_items import Item

KINDS = {"function": "Funktion", "class": "Klasse", "method": "Methode", "property": "Eigenschaft"}
_ONES = ("null", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf",
         "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn")  # fmt: skip
_TENS = ("", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig")


def both(item: Item, parameters: list[str]) -> Parallel:
    """The same sentences about an item in English and in German."""
    words, letters = len(item.doc.split()), sum(c.isalpha() for c in item.name.rpartition(".")[2])
    german, name, module = KINDS[item.kind], item.name, item.module
    pairs = [
        (f"The {item.kind} `{name}` belongs to the module `{module}`.",
         f"Die {german} `{name}` gehört zum Modul `{module}`."),
        (f"Its description has {_plural(words, 'word', 'words')}.",
         f"Ihre Beschreibung umfasst {number(words)} {'Wort' if words == 1 else 'Wörter'}."),
        (f"Its short name has {_plural(letters, 'letter', 'letters')}.",
         f"Ihr kurzer Name besteht aus {number(letters)} Buchstaben."),
        (_english(parameters), _german(parameters)),
    ]  # fmt: skip
    first, rest = pairs[0], pairs[1:]
    at = hashed(f"order:{name}") % len(rest)
    chosen = [first, *rest[at:], *rest[:at]]
    return Parallel((("en", " ".join(p[0] for p in chosen)), ("de", " ".join(p[1] for p in chosen))))


def number(value: int) -> str:
    """A whole number below ten thousand as the German word before a noun: `einundzwanzig`, `dreihundertfünf`."""
    if value < 20:
        return _ONES[value]
    if value < 100:
        ones = f"{_ONES[value % 10]}und" if value % 10 else ""
        return ones + _TENS[value // 10]
    unit, word = (100, "hundert") if value < 1000 else (1000, "tausend")
    return number(value // unit) + word + (number(value % unit) if value % unit else "")


def _plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _english(parameters: list[str]) -> str:
    if not parameters:
        return "It can be used without arguments."
    names = " and ".join(f"`{name}`" for name in parameters)
    return f"It requires the argument {names}." if len(parameters) == 1 else f"It requires the arguments {names}."


def _german(parameters: list[str]) -> str:
    if not parameters:
        return "Sie lässt sich ohne Argumente verwenden."
    names = " und ".join(f"`{name}`" for name in parameters)
    return f"Sie verlangt das Argument {names}." if len(parameters) == 1 else f"Sie verlangt die Argumente {names}."
