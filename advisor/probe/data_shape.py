"""Which of the usual shapes a row of data has, and its text in parts. Pure: no files.

`recognise` names the shape of one row; `parts_of` takes a row of a known shape apart, or says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from advisor.domain.dialogues import sole_answer
from advisor.domain.json_names import named
from advisor.domain.marks import CHECKS, SCORES, mark_of
from advisor.domain.words import DataKind
from advisor.probe.data_turns import BadShape, Parts, conversation, has_tools, one_text, preference, prompt_of, text_of


class Shape(NamedTuple):
    name: str
    kind: DataKind
    suggested: tuple[str, ...]
    take: Callable[[Mapping[str, Any]], Parts]


TRAIN = ("lora", "qlora", "full-sft")
PAIRS = (
    ("instruction", "output"), ("instruction", "response"), ("prompt", "completion"), ("prompt", "response"),
    ("question", "answer"), ("prompt", "answer"), ("query", "response"), ("input", "output"), ("source", "target"),
)  # fmt: skip
TEXTS = ("text", "content", "document", "body")
LABELS = ("label", "labels", "category", "class")
_CODES = "ar bn cs da de el en es fa fi fr he hi hu id it ja ko nl no pl pt ro ru sv th tr uk vi zh"
LANGUAGES = frozenset(_CODES.split())


def recognise(row: Any) -> Shape | None:
    """The shape of one row by its keys; None for none of the known ones."""
    if isinstance(row, str):
        return SHAPES["text"]
    if not isinstance(row, Mapping):
        return None
    row = lowered(row)
    keys = {str(key) for key, value in row.items() if value is not None}
    if {"subject", "prompt", "target_new"} <= keys:
        return SHAPES["facts"]
    if {"chosen", "rejected"} <= keys:
        return SHAPES["preferences"]
    for key, name in (("messages", "messages"), ("conversations", "sharegpt"), ("conversation", "sharegpt")):
        if key in keys:
            return SHAPES["tool-calls"] if has_tools(row) else SHAPES[name]
    judged = _judged(row, keys)
    if judged is not None:
        return judged
    if "translation" in keys or (len(keys & LANGUAGES) > 1 and len(keys) < 6):
        return SHAPES["parallel"]
    for first, then in PAIRS:
        if {first, then} <= keys:
            return SHAPES[_pair_name(first, then)]
    return _textual(keys)


def _judged(row: Mapping[str, Any], keys: set[str]) -> Shape | None:
    """A prompt with the right answer and a check of it; or with some answer and a verdict or a number."""
    if keys & {"prompt", "question"} and {"answer", "check"} <= keys:
        return SHAPES["rewards"]
    if "prompt" not in keys or not keys & {"completion", "response", "answer"}:
        return None
    if "completion" in keys and mark_of(row.get("label")) is not None:
        return SHAPES["feedback"]
    return SHAPES["scored"] if keys & set(SCORES) else None


def _textual(keys: set[str]) -> Shape | None:
    if not keys & {*TEXTS, "sentence"}:
        return None
    if keys & set(LABELS):
        return SHAPES["labels"]
    return SHAPES["documents" if keys & {"title", "path", "doc_id"} else "text"]


def _pair_name(first: str, then: str) -> str:
    if first == "instruction":
        return "alpaca"
    if then == "answer":
        return "qa-pairs"
    return "parallel" if (first, then) == ("source", "target") else "prompt-completion"


def _pair(row: Mapping[str, Any]) -> Parts:
    first, then = next(
        (p for p in PAIRS if row.get(p[0]) is not None and row.get(p[1]) is not None),
        next((p for p in PAIRS if p[0] in row or p[1] in row), PAIRS[0]),
    )
    asked = text_of(row.get(first), first)
    for extra in ("input", "context"):
        if extra not in (first, then) and isinstance(row.get(extra), str) and row[extra].strip():
            asked += "\n" + row[extra]
    return Parts(asked, (text_of(row.get(then), then),))


def _feedback(row: Mapping[str, Any]) -> Parts:
    if mark_of(row.get("label")) is None:
        raise BadShape("'label' is not true or false")
    return Parts(prompt_of(row), (one_text(sole_answer(row.get("completion")), "completion"),))


def _task(row: Mapping[str, Any]) -> Parts:
    asked = "prompt" if row.get("prompt") is not None else "question"
    answer = next((key for key in ("answer", "completion", "response") if row.get(key) is not None), "answer")
    check = row.get("check")
    if check is not None and check not in CHECKS:
        raise BadShape(f"'check' is none of {', '.join(CHECKS)}")
    if check is None and any(row.get(key) is not None for key in SCORES):
        raise BadShape("it has a score and no check, so its answer need not be the right one")
    right = text_of(row.get(answer), answer)
    if check == "number" and not any(map(str.isdigit, right)):
        raise BadShape(f"'check' is 'number', and '{answer}' has no number")
    if check is not None and answer != "answer":
        raise BadShape("it has a check and no answer")
    return Parts(text_of(row.get(asked), asked), (right,))


def _labelled(row: Mapping[str, Any]) -> Parts:
    label = next((row[k] for k in LABELS if row.get(k) is not None), None)
    if label is None:
        raise BadShape("the label is missing")
    return Parts(_plain(row).answers[0], (str(label),))


def _parallel(row: Mapping[str, Any]) -> Parts:
    pair = row.get("translation", row)
    if not isinstance(pair, Mapping):
        raise BadShape("'translation' is not an object")
    found = [(k, v) for k, v in pair.items() if str(k).lower() in LANGUAGES or k in ("source", "target")]
    if len(found) < 2:
        raise BadShape("it has fewer than two languages")
    return Parts(text_of(found[0][1], found[0][0]), tuple(text_of(v, k) for k, v in found[1:]))


def _fact(row: Mapping[str, Any]) -> Parts:
    subject = text_of(row.get("subject"), "subject")
    asked = text_of(row.get("prompt"), "prompt")
    if asked.count("{}") != 1:
        raise BadShape("'prompt' must hold {} once, where the subject stands")
    return Parts(asked.replace("{}", subject), (text_of(row.get("target_new"), "target_new"),))


def _plain(row: Any) -> Parts:
    if isinstance(row, str):
        return Parts("", (row,))
    key = next((k for k in (*TEXTS, "sentence") if row.get(k) is not None), "text")
    return Parts("", (text_of(row.get(key), key),))


SHAPES: dict[str, Shape] = {
    s.name: s
    for s in (
        Shape("messages", DataKind.INSTRUCTIONS, TRAIN, conversation),
        Shape("sharegpt", DataKind.INSTRUCTIONS, TRAIN, conversation),
        Shape("alpaca", DataKind.INSTRUCTIONS, TRAIN, _pair),
        Shape("prompt-completion", DataKind.INSTRUCTIONS, TRAIN, _pair),
        Shape("qa-pairs", DataKind.QA_PAIRS, ("domain-sft", "lora", "raft"), _pair),
        Shape("labels", DataKind.INSTRUCTIONS, ("lora", "few-shot", "embedding-finetuning"), _labelled),
        Shape("tool-calls", DataKind.TOOL_CALLS, ("function-calling-sft",), conversation),
        Shape("preferences", DataKind.PREFERENCES, ("dpo", "orpo"), preference),
        Shape("feedback", DataKind.FEEDBACK, ("kto",), _feedback),
        Shape("rewards", DataKind.REWARDS, ("grpo",), _task),
        Shape("scored", DataKind.INSTRUCTIONS, (), _pair),
        Shape("parallel", DataKind.PARALLEL, ("translation-augmentation", "cross-lingual-peft"), _parallel),
        Shape("facts", DataKind.FACTS, ("knowledge-editing",), _fact),
        Shape("text", DataKind.TEXT, ("cpt", "dapt", "cpt-then-sft"), _plain),
        Shape("documents", DataKind.DOCUMENTS, ("basic-rag", "hybrid-rag", "cpt-then-sft"), _plain),
    )
}


@lru_cache(maxsize=1024)
def _are_lower(keys: tuple[Any, ...]) -> bool:
    """Rows of one file share their keys, so this is looked at once."""
    return all(isinstance(key, str) and key == key.lower() for key in keys)


def lowered(row: Any) -> Any:
    """The row with its keys in lower case; anything but an object as it is."""
    if not isinstance(row, Mapping) or _are_lower(tuple(row)):
        return row
    return {str(key).lower(): value for key, value in row.items()}


def parts_of(row: Any, shape: Shape) -> Parts:
    """The row's text in parts. Raises `BadShape` with the reason when it does not fit the shape."""
    if not isinstance(row, Mapping) and not (isinstance(row, str) and shape.name in ("text", "documents")):
        raise BadShape(f"it is {named(row)}, not an object")
    return shape.take(lowered(row))
