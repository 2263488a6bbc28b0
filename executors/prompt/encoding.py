"""Held-out rows as they are asked through an `Asker`: the same answers are labelled as without it, and only they.

What the prompt writes for the model (a trigger, the braces of a JSON answer) is neither learnt nor measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.datasets.render import IGNORED, Encoded, encode, render_prompt
from executors.datasets.rows import Conversation, Row
from executors.prompt.asking import Asker

UNKNOWN_ROOM = 4096


def room(model: Any) -> int:
    """Tokens the model reads at most."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return min(int(limit), 32_768) if limit else UNKNOWN_ROOM


def encode_asked(rows: Sequence[Row], asker: Asker, tokenizer: Any, longest: int) -> list[Encoded]:
    """One sequence per conversation that ends with an answer; other rows are encoded as they are.

    Examples are dropped from the front of a prompt that leaves no room for the answer. Raises AdvisorError when
    nothing is left to measure.
    """
    found: list[Encoded] = []
    for number, row in enumerate(rows):
        if not isinstance(row, Conversation) or row.messages[-1].role != "assistant" or len(row.messages) < 2:
            found += [Encoded(e.ids, e.labels, number) for e in encode([row], tokenizer, longest)]
            continue
        sequence = _asked(row, asker, tokenizer, longest)
        if sequence is not None:
            found.append(Encoded(*sequence, number))
    if not found:
        raise AdvisorError("nothing is left to measure", why=f"no prompt fits into {longest} tokens")
    return found


def _asked(row: Conversation, asker: Asker, tokenizer: Any, longest: int) -> tuple[list[int], list[int]] | None:
    *before, question, answer = row.messages
    turns = list(asker.turns(question.content, before))
    before_answer, inside, behind = asker.parts(answer.content)
    # Apart, so that the answer's tokens are the same whatever stands around it.
    ids = [
        tokenizer(text, add_special_tokens=False)["input_ids"] for text in (inside, behind, tokenizer.eos_token or "")
    ]
    last, labels = [*ids[0], *ids[1], *ids[2]], [*ids[0], *[IGNORED] * len(ids[1]), *ids[2]]
    while True:
        first = tokenizer(render_prompt(turns, tokenizer) + before_answer, add_special_tokens=False)["input_ids"]
        if len(first) + len(last) <= longest:
            return first + last, [IGNORED] * len(first) + labels
        examples = [n for n, turn in enumerate(turns[:-1]) if turn.role == "user"]
        if not examples:
            return None
        del turns[examples[0] : examples[0] + 2]
