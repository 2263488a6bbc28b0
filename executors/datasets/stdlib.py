"""`builtin:stdlib`: data made on the spot from the running Python's own standard library.

Signatures and docstrings become instructions, question/answer pairs, texts, documents, preferences, tool calls, the
same sentences in two languages, and a multiple-choice test. Nothing is downloaded and no file ships. The same Python
gives the same rows in the same order.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence

from advisor.domain.errors import AdvisorError
from advisor.domain.words import DataKind
from executors.datasets.rows import (
    Conversation,
    Feedback,
    Message,
    MultipleChoice,
    Preference,
    Record,
    Row,
    Task,
    Text,
    ask,
    hashed,
)
from executors.datasets.stdlib_german import both
from executors.datasets.stdlib_items import Item, items

NAME = "builtin:stdlib"
CHOICES = 4
NO_CALL = 6
"""One request for tools in so many wants no call."""
CHOICE_CHARACTERS = 120
_PARAMETER = re.compile(r"[A-Za-z_]\w*$")


def load(kind: DataKind, is_held_out: bool) -> Sequence[Record]:
    """The rows of one kind on one side of the split. Raises AdvisorError for a kind it does not have."""
    makers: dict[DataKind, Callable[[list[Item]], Sequence[Record]]] = {
        DataKind.INSTRUCTIONS: _instructions,
        DataKind.QA_PAIRS: _qa_pairs,
        DataKind.TEXT: _texts,
        DataKind.DOCUMENTS: _documents,
        DataKind.PREFERENCES: _preferences,
        DataKind.FEEDBACK: _feedback,
        DataKind.REWARDS: _tasks,
        DataKind.TOOL_CALLS: _tool_calls,
        DataKind.PARALLEL: _parallel,
    }
    if kind not in makers:
        raise AdvisorError(f"{NAME} has no data of kind {kind}", hint=f"it has {', '.join(makers)}")
    return makers[kind]([item for item in items() if item.is_held_out == is_held_out])


def load_multiple_choice() -> list[MultipleChoice]:
    """Held-out questions: what does this function do? The wrong answers describe other held-out functions."""
    chosen = _first_of_groups([item for item in items() if item.is_held_out])
    sentences = [_first_sentence(item.summary) for item in chosen]
    questions: list[MultipleChoice] = []
    for number, item in enumerate(chosen):
        wrong = [s for s in sentences[number + 1 :] + sentences[:number] if s != sentences[number]]
        choices = list(dict.fromkeys(wrong))[: CHOICES - 1]
        answer = hashed(f"answer:{item.name}") % CHOICES
        choices.insert(answer, sentences[number])
        questions.append(MultipleChoice(_what(item), tuple(choices), answer))
    return questions


def _instructions(chosen: list[Item]) -> list[Row]:
    rows: list[Row] = []
    for item in chosen:
        rows.append(ask(_what(item), item.summary))
        if item.signature:
            rows.append(ask(f"What is the signature of `{item.name}`?", f"`{item.signature}`"))
    return sorted(rows, key=lambda row: hashed(row.key))


def _qa_pairs(chosen: list[Item]) -> list[Row]:
    rows = [ask(f"Which {item.kind} of `{item.module}` is described so: {item.summary}", f"`{item.name}`")
            for item in chosen if item.name.rpartition(".")[2].lower() not in item.summary.lower()]  # fmt: skip
    return [*rows, *(ask(_what(item), item.summary) for item in chosen)]


def _texts(chosen: list[Item]) -> list[Row]:
    return [Text(_entry(item)) for item in chosen]


def _documents(chosen: list[Item]) -> list[Row]:
    """One document per module, of the items on this side of the split only."""
    modules: defaultdict[str, list[Item]] = defaultdict(list)
    for item in sorted(chosen, key=lambda item: item.name):
        modules[item.module].append(item)
    parts = {name: "\n\n".join(_entry(item) for item in entries) for name, entries in modules.items()}
    return [Text(f"Module {name}\n\n{parts[name]}") for name in sorted(parts, key=lambda name: hashed(f"doc:{name}"))]


def _preferences(chosen: list[Item]) -> list[Row]:
    """The right description against that of another object of the same kind and side."""
    rows: list[Row] = []
    for item, other in zip(chosen, chosen[1:] + chosen[:1], strict=True):
        if item.group != other.group:
            rows.append(Preference((Message("user", _what(item)),), item.summary, other.summary))
    return rows


def _feedback(chosen: list[Item]) -> list[Row]:
    """Each answer of a preference by itself, with its mark."""
    pairs = [row for row in _preferences(chosen) if isinstance(row, Preference)]
    marked = [Feedback(row.prompt, row.chosen, True) for row in pairs]
    marked += [Feedback(row.prompt, row.rejected, False) for row in pairs]
    return [*sorted(marked, key=lambda row: hashed(f"{row.is_good}:{row.key}"))]


def _tasks(chosen: list[Item]) -> list[Row]:
    """A signature, and its first parameter as the answer that can be checked."""
    rows: list[Row] = []
    for item in chosen:
        names = _parameters(item)
        if names and names[0] not in ("self", "cls"):
            question = f"The signature of a Python {item.kind} is `{item.signature}`. What is the name of its first "
            question += "parameter? Answer with the name alone."
            rows.append(Task((Message("user", question),), names[0], "f1"))
    return rows


def _tool_calls(chosen: list[Item]) -> list[Row]:
    """Two functions offered as tools, a request, and the call; one request in `NO_CALL` only asks what one does."""
    callable_ = [item for item in chosen if item.kind == "function" and _parameters(item)]
    rows: list[Row] = []
    for item, other in zip(callable_, callable_[1:] + callable_[:1], strict=True):
        names = _parameters(item)
        offered = sorted((item, other), key=lambda one: hashed(f"{item.name}:{one.name}"))
        tools = json.dumps([_tool(one) for one in offered], ensure_ascii=False)
        if hashed(f"call:{item.name}") % NO_CALL == 0:
            turns = (Message("user", _what(item)), Message("assistant", item.summary))
        else:
            values = {name: f"{name}-{hashed(item.name + name) % 100}" for name in names}
            wish = ", ".join(f"{name} set to {value}" for name, value in values.items())
            call = json.dumps([{"name": item.name, "arguments": values}])
            turns = (Message("user", f"Call {item.name} with {wish}."), Message("assistant", "", call))
        rows.append(Conversation(turns, tools))
    return rows


def _tool(item: Item) -> dict[str, object]:
    properties = {name: {"type": "string"} for name in _parameters(item)}
    about = _first_sentence(item.summary)
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": item.name, "description": about, "parameters": parameters}}


def _parallel(chosen: list[Item]) -> list[Record]:
    return [both(item, _parameters(item)) for item in chosen]


def _parameters(item: Item) -> list[str]:
    """The names of the plain parameters without a default."""
    inside = item.signature.partition("(")[2].rpartition(")")[0]
    return [part.strip() for part in inside.split(",") if _PARAMETER.fullmatch(part.strip())][:3]


def _what(item: Item) -> str:
    return f"What does the Python {item.kind} `{item.name}` do?"


def _entry(item: Item) -> str:
    return f"{item.signature or item.name}\n\n{item.doc}"


def _first_sentence(text: str) -> str:
    sentence = text.split(". ")[0].rstrip(".") + "."
    return sentence if len(sentence) <= CHOICE_CHARACTERS else sentence[:CHOICE_CHARACTERS].rpartition(" ")[0] + "..."


def _first_of_groups(chosen: list[Item]) -> list[Item]:
    """One item of each group, so that no question has two right answers."""
    seen: dict[str, Item] = {}
    for item in chosen:
        seen.setdefault(item.group, item)
    return list(seen.values())
