"""Rows as labelled tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from executors.datasets.render import IGNORED, encode, render_prompt
from executors.datasets.rows import Conversation, Message, Preference, Text, ask
from executors.models.load import load_tokenizer

TWO_TURNS = Conversation(
    (Message("user", "first?"), Message("assistant", "one"), Message("user", "then?"), Message("assistant", "two"))
)


@pytest.fixture
def tokenizer(tiny_model: Path) -> Any:
    return load_tokenizer(tiny_model)


def learnt(tokenizer: Any, sequence: Any) -> str:
    return str(tokenizer.decode([label for label in sequence.labels if label != IGNORED]))


def test_only_answers_are_labelled(tokenizer: Any) -> None:
    """The labelled tokens are the assistant's turns with their end-of-turn token, nothing before and nothing after."""
    sequence = encode([TWO_TURNS], tokenizer, 256)[0]
    assert learnt(tokenizer, sequence) == "one<|im_end|>two<|im_end|>"
    assert all(label in (IGNORED, token) for token, label in zip(sequence.ids, sequence.labels, strict=True))
    text = tokenizer.apply_chat_template(
        [{"role": m.role, "content": m.content} for m in TWO_TURNS.messages], tokenize=False
    )
    assert tokenizer.decode(sequence.ids) == text


def test_a_prompt_ends_where_the_answer_begins(tokenizer: Any) -> None:
    """The prompt rendered for generation is what stands before the first label in training."""
    sequence = encode([ask("Why?", "Because.")], tokenizer, 256)[0]
    first = next(at for at, label in enumerate(sequence.labels) if label != IGNORED)
    assert tokenizer.decode(sequence.ids[:first]) == render_prompt((Message("user", "Why?"),), tokenizer)


def test_a_preference_is_its_better_answer(tokenizer: Any) -> None:
    """Supervised training on a preference learns the chosen answer."""
    row = Preference((Message("user", "q"),), "good", "bad")
    assert learnt(tokenizer, encode([row], tokenizer, 256)[0]) == "good<|im_end|>"


def test_texts_are_cut_into_windows(tokenizer: Any) -> None:
    """A text goes on in the next window, whole, labelled throughout, and ends with the end token."""
    windows = encode([Text("The function returns a list. " * 20)], tokenizer, 32)
    assert {len(window.ids) for window in windows[:-1]} == {32}
    joined = [token for window in windows for token in window.ids]
    assert tokenizer.decode(joined) == "The function returns a list. " * 20 + "<|im_end|>"
    assert all(window.labels == window.ids and window.row == 0 for window in windows)


def test_rows_without_room_for_an_answer_are_left_out(tokenizer: Any) -> None:
    """A row whose answer begins beyond the limit is left out, the others keep their number, none left is an error."""
    rows = [ask("long question " * 40, "x"), ask("q", "answer")]
    assert [sequence.row for sequence in encode(rows, tokenizer, 64)] == [1]
    with pytest.raises(AdvisorError, match="nothing is left"):
        encode(rows[:1], tokenizer, 64)


def test_models_without_a_template_are_served(tokenizer: Any) -> None:
    """Without a chat template, turns are joined by empty lines and answers end with the end token."""
    tokenizer.chat_template = None
    sequence = encode([ask("q", "answer")], tokenizer, 64)[0]
    assert tokenizer.decode(sequence.ids) == "q\n\nanswer<|im_end|>"
    assert learnt(tokenizer, sequence) == "answer<|im_end|>"


def test_a_template_that_refuses_is_an_error(tokenizer: Any) -> None:
    """A template that raises, or reaches for what the sandbox forbids, ends in a message."""
    for template in ("{{ raise_exception('no tools') }}", "{{ ''.__class__.__mro__ }}", "{% for %}"):
        tokenizer.chat_template = template
        with pytest.raises(AdvisorError, match="refuses"):
            encode([ask("q", "a")], tokenizer, 64)


def test_a_huge_template_is_refused(tokenizer: Any) -> None:
    """A template larger than any real one is not rendered."""
    tokenizer.chat_template = "x" * 2**19
    with pytest.raises(AdvisorError, match="not usable"):
        encode([ask("q", "a")], tokenizer, 64)


def test_other_scripts_keep_their_places(tokenizer: Any) -> None:
    """Labels stand on the answer also where characters take several tokens."""
    sequence = encode([ask("漢字? naïve", "日本語 é")], tokenizer, 256)[0]
    assert learnt(tokenizer, sequence) == "日本語 é<|im_end|>"
