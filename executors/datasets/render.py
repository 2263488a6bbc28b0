"""Rows as token ids with labels, through the tokenizer's own chat template. Only the assistant's turns are labelled.

Texts are labelled throughout and cut into windows. The same code serves training and measuring, so that what is
learnt and what is measured are the same tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.datasets.rows import Conversation, Feedback, Message, Preference, Row, Task, Text
from executors.datasets.tool_render import turns_of

IGNORED = -100
"""Label of a token that is neither learnt nor measured."""
MAX_TEMPLATE = 2**18
"""Characters; the longest published chat templates have about 20,000."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One sequence: `labels[i]` is `ids[i]` where token i counts, else `IGNORED`. Row: index of the row it is from."""

    ids: list[int]
    labels: list[int]
    row: int

    @property
    def counted(self) -> int:
        """Tokens that contribute to the loss; the first of a sequence has nothing before it to be predicted from."""
        return sum(label != IGNORED for label in self.labels[1:])


def encode(rows: Sequence[Row], tokenizer: Any, seq_len: int) -> list[Encoded]:
    """Sequences of at most `seq_len` tokens. A conversation is cut at its end, a text goes on in the next sequence.

    Sequences without a labelled token are left out. Raises AdvisorError when none is left.
    """
    _check_template(tokenizer)
    encoded: list[Encoded] = []
    spans = [_render(row, tokenizer) for row in rows]
    batch = tokenizer([text for text, _ in spans], add_special_tokens=False, return_offsets_mapping=True)
    for number, (row, (_, answers)) in enumerate(zip(rows, spans, strict=True)):
        ids = batch["input_ids"][number]
        if isinstance(row, Text):
            ids = [*ids, tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else ids
            windows = [ids[at : at + seq_len] for at in range(0, len(ids), seq_len)]
            encoded += [Encoded(window, list(window), number) for window in windows]
        else:
            offsets = batch["offset_mapping"][number]
            inside = [any(a <= start and end <= b for a, b in answers) for start, end in offsets]
            labels = [i if is_answer else IGNORED for i, is_answer in zip(ids, inside, strict=True)]
            encoded.append(Encoded(ids[:seq_len], labels[:seq_len], number))
    kept = [sequence for sequence in encoded if sequence.counted]
    if not kept:
        raise AdvisorError(
            "nothing is left to learn or to measure",
            why=f"in none of {len(rows)} rows does an answer begin within {seq_len} tokens",
            hint="raise seq_len",
        )
    return kept


def token_ids(rows: Sequence[Row], tokenizer: Any) -> list[list[int]]:
    """The ids of each row as `encode` makes them, whole and without labels."""
    _check_template(tokenizer)
    texts = [row.text if isinstance(row, Text) else _whole(row, tokenizer) for row in rows]
    batch = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=False)
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    pairs = zip(rows, batch["input_ids"], strict=True)
    return [[*ids, *end] if isinstance(row, Text) else ids for row, ids in pairs]


def render_prompt(messages: Sequence[Message], tokenizer: Any, tools: str = "") -> str:
    """The messages as the model sees them, up to where its answer begins. `tools`: schemas, a JSON list."""
    turns, schemas = turns_of(messages, tools, tokenizer.chat_template)
    if tokenizer.chat_template is None:
        return "".join(f"{turn['content']}\n\n" for turn in turns)
    return _template(tokenizer, turns, schemas, add_generation_prompt=True)


def _render(row: Row, tokenizer: Any) -> tuple[str, list[tuple[int, int]]]:
    """The text of a row and where in it the answers stand."""
    if isinstance(row, Text):
        return row.text, []
    turns, schemas = _turns(row, tokenizer)
    if tokenizer.chat_template is None:
        return _plain(turns, tokenizer)
    text = _template(tokenizer, turns, schemas)
    answers = []
    for number, turn in enumerate(turns):
        if turn["role"] == "assistant":
            start = _shared(_template(tokenizer, turns[:number], schemas, add_generation_prompt=True), text)
            end = _shared(_template(tokenizer, turns[: number + 1], schemas), text)
            answers.append((start, _answer_end(text, start, end, tokenizer)))
    return text, answers


def _whole(row: Conversation | Preference | Feedback | Task, tokenizer: Any) -> str:
    """The text of a row of messages."""
    turns, schemas = _turns(row, tokenizer)
    return _plain(turns, tokenizer)[0] if tokenizer.chat_template is None else _template(tokenizer, turns, schemas)


def _turns(
    row: Conversation | Preference | Feedback | Task, tokenizer: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    tools = row.tools if isinstance(row, Conversation) else ""
    return turns_of(row.messages, tools, tokenizer.chat_template)


def _plain(turns: Sequence[dict[str, Any]], tokenizer: Any) -> tuple[str, list[tuple[int, int]]]:
    """For a model without a chat template: turns apart by empty lines, answers ended by the end-of-text token."""
    text, answers = "", []
    for turn in turns:
        start = len(text)
        text += turn["content"]
        if turn["role"] == "assistant":
            text += tokenizer.eos_token or ""
            answers.append((start, len(text)))
        text += "\n\n"
    return text.removesuffix("\n\n"), answers


def _answer_end(text: str, start: int, end: int, tokenizer: Any) -> int:
    """Without the white space some templates put after the end-of-turn token: nothing is learnt from it."""
    trimmed = text[start:end].rstrip()
    return start + len(trimmed) if tokenizer.eos_token and trimmed.endswith(tokenizer.eos_token) else end


def _shared(prefix: str, text: str) -> int:
    """How far both agree; the whole prefix unless the template renders an unfinished conversation differently."""
    if text.startswith(prefix):
        return len(prefix)
    return next(i for i, (a, b) in enumerate(zip(prefix, text + "\0", strict=False)) if a != b)


def _template(
    tokenizer: Any,
    turns: Sequence[dict[str, Any]],
    schemas: list[dict[str, Any]] | None = None,
    add_generation_prompt: bool = False,
) -> str:
    """Rendered in the sandbox of transformers. Raises AdvisorError for a template that refuses the messages."""
    import jinja2

    told = {"tools": schemas} if schemas else {}
    try:
        text = tokenizer.apply_chat_template(
            list(turns), tokenize=False, add_generation_prompt=add_generation_prompt, **told
        )
    except jinja2.TemplateError as error:
        roles = ", ".join(turn["role"] for turn in turns)
        raise AdvisorError(
            "the model's chat template refuses these messages",
            why=f"roles {roles}: {str(error)[:200]}",
            hint="use data whose turns the template knows",
        ) from None
    return str(text)


def _check_template(tokenizer: Any) -> None:
    template = tokenizer.chat_template
    if template is not None and (not isinstance(template, str) or len(template) > MAX_TEMPLATE):
        raise AdvisorError("the model's chat template is not usable", why=f"over {MAX_TEMPLATE} characters, or several")
    if not tokenizer.is_fast:
        raise AdvisorError("the model's tokenizer is not usable", why="it cannot tell where in the text a token stands")
