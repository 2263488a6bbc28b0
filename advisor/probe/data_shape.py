"""Which of the usual shapes a row of data has, and its text in parts. Pure: no files.

`recognise` names the shape of one row; `parts_of` takes a row of a known shape apart, or says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from advisor.domain.dialogues import sole_answer
from advisor.domain.json_names import named
from advisor.domain.marks import CHECKS, SCORES, mark_of
from advisor.domain.row_shapes import (
    TURNS,
    BadFields,
    answered_in,
    asked_in,
    columns_of,
    extra_of,
    history_of,
    label_of,
    lowered,
    marked_in,
    refuse_beside_turns,
    refuse_media,
    shape_of,
    system_of,
    text_in,
)
from advisor.domain.words import DataKind
from advisor.probe.data_turns import (
    BadShape,
    Parts,
    conversation,
    has_tools,
    one_text,
    preference,
    prompt_of,
    question_of,
    text_of,
)


class Shape(NamedTuple):
    name: str
    kind: DataKind
    suggested: tuple[str, ...]
    take: Callable[[Mapping[str, Any]], Parts]


TRAIN = ("lora", "qlora", "full-sft")


def recognise(row: Any) -> Shape | None:
    """The shape of one row by its keys; None for none of the known ones."""
    if isinstance(row, str):
        return SHAPES["text"]
    if not isinstance(row, Mapping):
        return None
    row = lowered(row)
    name = shape_of(row)
    if name in ("messages", "sharegpt") and has_tools(row):
        name = "tool-calls"
    return SHAPES.get(name)


def _pair(row: Mapping[str, Any]) -> Parts:
    asked = asked_in(row)
    answered = answered_in(row, asked)
    said, learnt = row[asked], row[answered]
    if not isinstance(said, list) and not isinstance(learnt, list):
        return Parts(question_of(row, asked), (text_of(learnt, answered),))
    if [] in (said, learnt):
        raise BadShape(f"'{answered if said else asked}' has no messages")
    if isinstance(said, list):
        refuse_beside_turns(row, asked)
        before = said
    else:
        earlier = [{"role": role, "content": text} for role, text in history_of(row)]
        before = [*earlier, {"role": "user", "content": one_text(said, asked)}]
    after = learnt if isinstance(learnt, list) else [{"role": "assistant", "content": one_text(learnt, answered)}]
    found = conversation({**row, TURNS[0]: [*before, *after]})
    return Parts("\n".join(filter(None, (found.asked, extra_of(row, asked)))), found.answers)


def _feedback(row: Mapping[str, Any]) -> Parts:
    if mark_of(row.get("label")) is None:
        raise BadShape("'label' is not true or false")
    answered = marked_in(row)
    return Parts(prompt_of(row), (one_text(sole_answer(row[answered]), answered),))


def _task(row: Mapping[str, Any]) -> Parts:
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
    return Parts(prompt_of(row), (right,))


def _labelled(row: Mapping[str, Any]) -> Parts:
    system_of(row)
    name = text_in(row)
    return Parts(one_text(row[name], name), (label_of(row),))


def _parallel(row: Mapping[str, Any]) -> Parts:
    found = columns_of(row)
    if len(found) < 2:
        raise BadShape("it has fewer than two languages")
    first, *others = (one_text(text, name) for name, text in found)
    return Parts(first, tuple(others))


def _fact(row: Mapping[str, Any]) -> Parts:
    subject = text_of(row.get("subject"), "subject")
    asked = text_of(row.get("prompt"), "prompt")
    if asked.count("{}") != 1:
        raise BadShape("'prompt' must hold {} once, where the subject stands")
    return Parts(asked.replace("{}", subject), (text_of(row.get("target_new"), "target_new"),))


def _plain(row: Any) -> Parts:
    if isinstance(row, str):
        return Parts("", (row,))
    key = text_in(row)
    if isinstance(row[key], list):
        raise BadShape(f"'{key}' is a list, not text")
    return Parts("", (text_of(row[key], key),))


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


def parts_of(row: Any, shape: Shape) -> Parts:
    """The row's text in parts. Raises `BadShape` with the reason when it does not fit the shape."""
    if not isinstance(row, Mapping) and not (isinstance(row, str) and shape.name in ("text", "documents")):
        raise BadShape(f"it is {named(row)}, not an object")
    row = lowered(row)
    try:
        if isinstance(row, Mapping):
            refuse_media(row)
        return shape.take(row)
    except BadFields as error:
        raise BadShape(str(error)) from None
