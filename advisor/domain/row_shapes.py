"""The usual shapes of rows of data, by the names of their fields: one description for the probe and for runs. Pure.

Rows have their keys in lower case here (`lowered`). A field that is null is none. Names are those of published sets:
Alpaca (instruction, input, output), Dolly (instruction, context, response), OpenOrca (system_prompt, question,
response), MetaMath (query, response), NuminaMath (problem, solution, answer), FLAN (inputs, targets), ShareGPT
(conversations), TRL (prompt, completion), chat messages of OpenAI and Hugging Face.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from advisor.domain.languages import is_code
from advisor.domain.marks import SCORES, mark_of
from advisor.domain.words import DataKind

TURNS = ("messages", "conversations", "conversation")
"""Names of a list of turns, the first that a row has."""
ASKED = ("instruction", "prompt", "question", "query", "problem", "input", "inputs")
ANSWERED = ("output", "response", "completion", "solution", "answer", "target", "targets")
"""Names of what is asked, and of what is learnt; a row has one of each."""
EXTRA = "input"
"""Beside an instruction it is what the instruction is about."""
SHORT, LONG = "answer", ("response", "completion", "solution")
"""Beside a longer answer, `answer` is the short final one, which only tasks want. Of a question it may be either."""
CONTEXTS = ("context", "contexts", "passages", "documents")
"""Names of passages from which a question is answered."""
SYSTEMS = ("system", "system_prompt")
"""Names of what stands before the conversation, as a turn of the system."""
HISTORY = "history"
"""Name of the earlier turns of a question, as pairs of what was asked and answered: LLaMA-Factory, ms-swift."""
MEDIA = ("image", "images", "audio", "audios", "video", "videos")
"""Names of what is no text and belongs to a row."""
TEXTS = ("text", "content", "document", "body", "sentence")
LABELS = ("label", "labels", "category", "class")
_TITLES = frozenset({"title", "path", "doc_id"})
_MARKED = ("completion", "response")
"""Names of an answer that a mark or a score goes with."""


KNOWN = (
    "messages, conversations, instruction/output, prompt/completion, question/answer, query/response, input/output, "
    "chosen/rejected, prompt/completion/label, prompt/answer/check, translation, source/target, text, text/label"
)
"""What a row that fits none is told: fields of the shapes, by the commonest of their names."""


class BadFields(ValueError):
    """Why the fields of a row cannot be told apart, or used."""


def shape_of(row: Mapping[str, Any], kind: DataKind | None = None) -> str:
    """The name of a row's shape; empty for none of the known ones. `kind`: what it is to be learnt as, where known.

    facts | preferences | rewards | messages | sharegpt | feedback | scored | alpaca | qa-pairs | prompt-completion |
    parallel | labels | documents | text
    """
    keys = {key for key, value in row.items() if value is not None}
    if {"subject", "prompt", "target_new"} <= keys:
        return "facts"
    if {"chosen", "rejected"} <= keys:
        return "preferences"
    if SHORT in keys and not keys.isdisjoint(ASKED) and ("check" in keys or kind is DataKind.REWARDS):
        return "rewards"
    turns = next((name for name in TURNS if name in keys), "")
    if turns:
        return "messages" if turns == "messages" else "sharegpt"
    return _judged(row, keys, kind) or _pair(keys) or _textual(row, keys)


def _judged(row: Mapping[str, Any], keys: set[str], kind: DataKind | None) -> str:
    """An answer to a prompt with a verdict, or with a number."""
    if "prompt" not in keys or keys.isdisjoint((*_MARKED, SHORT)):
        return ""
    is_marked = mark_of(row.get("label")) is not None or (kind is DataKind.FEEDBACK and "label" in keys)
    if is_marked and not keys.isdisjoint(_MARKED):
        return "feedback"
    return "" if keys.isdisjoint(SCORES) else "scored"


def _pair(keys: set[str]) -> str:
    if keys.isdisjoint(ASKED) or keys.isdisjoint(ANSWERED):
        return ""
    if "instruction" in keys:
        return "alpaca"
    return "qa-pairs" if keys.intersection(ANSWERED) == {SHORT} else "prompt-completion"


def _textual(row: Mapping[str, Any], keys: set[str]) -> str:
    if "translation" in keys or {"source", "target"} <= keys:
        return "parallel"
    if keys.isdisjoint(TEXTS):
        return "parallel" if len(columns_of(row)) > 1 else ""
    if not keys.isdisjoint(LABELS):
        return "labels"
    return "text" if keys.isdisjoint(_TITLES) else "documents"


def asked_in(row: Mapping[str, Any]) -> str:
    """The name of the field that asks. Raises BadFields for none and for several, unless one is said by another."""
    names = _said(row, ASKED)
    if "instruction" in names:
        told = row["instruction"]
        names = [name for name in names if name != EXTRA and not (name == "prompt" and _is_within(told, row[name]))]
    return _only(names, "ask something", "'prompt' is missing")


def answered_in(row: Mapping[str, Any], asked: str, among: Sequence[str] = ANSWERED) -> str:
    """The name of the field that is learnt as the answer to `asked`. Raises BadFields for none and for several."""
    names = _said(row, among)
    if asked != "question" and any(name in LONG for name in names):
        names = [name for name in names if name != SHORT]
    return _only(names, "answer", "the answer is missing")


def marked_in(row: Mapping[str, Any]) -> str:
    """The name of the answer that `label` marks. Raises BadFields for none and for several."""
    return answered_in(row, "prompt", _MARKED)


def text_in(row: Mapping[str, Any]) -> str:
    """The name of the field with a row's text. Raises BadFields for several, of which none is `text`."""
    names = _said(row, TEXTS)
    return "text" if "text" in names else _only(names, "hold a text", "'text' is missing")


def _said(row: Mapping[str, Any], among: Sequence[str]) -> list[str]:
    """Those of the names that hold something; where all are blank, the first that is not null."""
    names = [name for name in among if row.get(name) is not None]
    if len(names) < 2:
        return names
    return [name for name in names if not isinstance(row[name], str) or row[name].strip()] or names[:1]


def _is_within(inner: Any, outer: Any) -> bool:
    """Whether a text is said again in another, as in a prompt that was made of the other fields."""
    return isinstance(inner, str) and isinstance(outer, str) and inner.strip() in outer


def _only(names: list[str], what: str, missing: str) -> str:
    if len(names) > 1:
        both = " and ".join(repr(name) for name in names)
        raise BadFields(f"{both} each {what}, and one is wanted: remove or rename the others")
    if not names:
        raise BadFields(missing)
    return names[0]


def extra_of(row: Mapping[str, Any], asked: str) -> str:
    """What an instruction is about (`input`); empty for none. Raises BadFields for what is no text."""
    extra = row.get(EXTRA) if asked == "instruction" else None
    if extra is not None and not isinstance(extra, str):
        raise BadFields(f"{EXTRA!r} is not a text")
    return extra if extra and extra.strip() else ""


def history_of(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Role and text of the turns before the question; none where `history` is no list. Raises BadFields."""
    turns: list[tuple[str, str]] = []
    listed = row.get(HISTORY)
    for pair in listed if isinstance(listed, list) else []:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(t, str) and t.strip() for t in pair):
            raise BadFields(f"{HISTORY!r} is no list of pairs of what was asked and answered, each a text")
        turns += [("user", pair[0]), ("assistant", pair[1])]
    return turns


def refuse_beside_turns(row: Mapping[str, Any], asked: str) -> None:
    """Raises BadFields for an input or a history beside a question that is a list of turns."""
    if extra_of(row, asked) or history_of(row):
        name = EXTRA if extra_of(row, asked) else HISTORY
        raise BadFields(f"{name!r} stands beside {asked!r}, which is a list of turns: make it one of them")


def refuse_media(row: Mapping[str, Any]) -> None:
    """Raises BadFields for a row of which an image or the like is a part: as data, or as a file where the text has it.

    A text says no more than where an image lies, and is passed over unless `<image>` stands in the row (LLaVA).
    """
    for name in MEDIA:
        value = row.get(name)
        if not value:
            continue
        mark = f"<{name.removesuffix('s')}>"
        if not isinstance(value, str) or any(mark in str(text) for text in row.values()):
            raise BadFields(
                f"{name!r} is a part of the row, and models learn from text alone here: "
                "take the row out, or say in text what it holds and remove the field"
            )


def passages_of(row: Mapping[str, Any]) -> list[str]:
    """The passages that come with the question, under the first of the names that holds some. Raises BadFields."""
    for name in CONTEXTS:
        found = row.get(name)
        if found is not None and not (isinstance(found, str) and not found.strip()):
            listed = found if isinstance(found, list) else [found]
            passages = [text for text in listed if isinstance(text, str) and text.strip()]
            if len(passages) < len(listed):
                raise BadFields(f"{name!r} holds what is no text, or an empty one")
            return passages
    return []


def system_of(row: Mapping[str, Any], turns: Sequence[tuple[str, str]] = ()) -> str:
    """What the row says to the model before its turns (role, content); empty where they begin with it, or for nothing.

    Raises BadFields for what is no text, and for two texts.
    """
    found = {name: row[name] for name in SYSTEMS if row.get(name) is not None}
    if not found:
        return ""
    for name, text in found.items():
        if not isinstance(text, str):
            raise BadFields(f"{name!r} is not a text")
    said = {text: name for name, text in found.items() if text.strip()}
    first = turns[0] if turns and turns[0][0] == "system" else None
    if len(said) > 1 or (said and first is not None and first[1] not in said):
        names = [repr(name) for name in said.values()] + (["the first turn"] if first is not None else [])
        raise BadFields(f"{' and '.join(names)} each give a system prompt, and one is wanted")
    return next(iter(said), "") if first is None else ""


def columns_of(row: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Language and text of each column of a row of translations, in the row's order. Raises BadFields.

    `id` is a number or a name of the row as often as Indonesian: it is a language inside `translation` only.
    """
    inner = row.get("translation")
    if inner is not None and not isinstance(inner, Mapping):
        raise BadFields("'translation' is not an object")
    if inner is None and row.get("source") is not None and row.get("target") is not None:
        return [("source", row["source"]), ("target", row["target"])]
    columns = (row if inner is None else inner).items()
    return [
        (str(key), value)
        for key, value in columns
        if value is not None and is_code(str(key).lower()) and (inner is not None or key != "id")
    ]


def label_of(row: Mapping[str, Any]) -> str:
    """The label of a text, as text. Raises BadFields for none, and for what is no text, whole number or truth value."""
    name = next((name for name in LABELS if row.get(name) is not None), "")
    if not name:
        raise BadFields("'label' is missing")
    if not isinstance(row[name], str | int) or not str(row[name]).strip():
        raise BadFields(f"{name!r} is no text and no whole number")
    return str(row[name])


@lru_cache(maxsize=1024)
def _are_lower(keys: tuple[Any, ...]) -> bool:
    """Rows of one file share their keys, so this is looked at once."""
    return all(isinstance(key, str) and key == key.lower() for key in keys)


def lowered(row: Any) -> Any:
    """The row with its keys in lower case; anything but an object as it is."""
    if not isinstance(row, Mapping) or _are_lower(tuple(row)):
        return row
    return {str(key).lower(): value for key, value in row.items()}
