"""Writes one answer of a loaded model, handing on its characters as they become certain."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from advisor.domain.answering import Answered, Question
from advisor.domain.errors import AdvisorError
from executors.datasets.render import render_prompt
from executors.datasets.rows import Message
from executors.models.load import Loaded

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


def answer(
    loaded: Loaded,
    question: Question,
    say: Callable[[str], None],
    is_cancelled: Callable[[], bool],
    extra: dict[str, Any] | None = None,
    text: str | None = None,
) -> Answered:
    """The answer to `question`; `say` gets its pieces, which together are its text.

    `text`: what the model goes on from, in place of the rendered conversation; `extra`: more for `generate`.
    Raises AdvisorError when the conversation leaves no room for an answer.
    """
    import torch

    device = next(loaded.model.parameters()).device
    if text is None:
        text = render_prompt([Message(turn.role, turn.content) for turn in question.messages], loaded.tokenizer)
    batch = loaded.tokenizer(text, add_special_tokens=False, return_tensors="pt").to(device)
    room = _room(loaded.model, batch["input_ids"].shape[1])
    writer = _Writer(loaded.tokenizer, say)
    began = time.perf_counter()
    torch.manual_seed(question.seed)
    sampling = (
        {"do_sample": True, "temperature": question.temperature} if question.temperature else {"do_sample": False}
    )
    with torch.inference_mode():
        loaded.model.generate(
            **batch,
            max_new_tokens=min(question.max_tokens, room),
            pad_token_id=loaded.tokenizer.pad_token_id or 0,
            streamer=writer,
            stopping_criteria=[lambda ids, scores, **_: torch.full((ids.shape[0],), is_cancelled(), device=ids.device)],
            **sampling,
            **(extra or {}),
        )
    writer.finish()
    reason = "cancelled" if is_cancelled() else "end" if _has_ended(loaded, writer.ids) else "length"
    return Answered(
        id=question.id,
        text=writer.text,
        tokens=len(writer.ids),
        seconds=round(time.perf_counter() - began, 4),
        first_seconds=round((writer.first or began) - began, 4),
        reason=reason,
    )


def _room(model: Any, used: int) -> int:
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if limit and used >= limit:
        raise AdvisorError(
            f"the conversation has {used} tokens and the model reads {limit}", hint="start a new one, or shorten it"
        )
    return limit - used if limit else 1 << 20


def _has_ended(loaded: Loaded, ids: list[int]) -> bool:
    known = loaded.model.generation_config.eos_token_id
    ends = {loaded.tokenizer.eos_token_id, *(known if isinstance(known, list) else [known])}
    return bool(ids) and ids[-1] in ends


class _Writer:
    """A streamer: takes token ids, first those of the prompt, and hands on text once it can no longer change."""

    def __init__(self, tokenizer: Any, say: Callable[[str], None]) -> None:
        self._tokenizer, self._say = tokenizer, say
        self._has_prompt = False
        self.ids: list[int] = []
        self.text = ""
        self.first: float | None = None

    def put(self, value: Any) -> None:
        if not self._has_prompt:
            self._has_prompt = True
            return
        self.first = self.first or time.perf_counter()
        self.ids += value.flatten().tolist()
        text = self._decoded()
        # A character of several tokens is not there yet: its bytes would decode to a replacement.
        if not text.endswith(_INCOMPLETE):
            self._hand_on(text)

    def end(self) -> None:
        """Part of a streamer's interface; `finish` does the work."""

    def finish(self) -> None:
        self._hand_on(self._decoded())

    def _decoded(self) -> str:
        text: str = self._tokenizer.decode(self.ids, skip_special_tokens=True)
        return text

    def _hand_on(self, text: str) -> None:
        if len(text) > len(self.text):
            self._say(text[len(self.text) :])
            self.text = text
