"""advisor/runs/answering.py and executors/answer: a process that answers for one artifact, token by token."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from advisor.domain.answering import Answered, Piece, Turn
from advisor.domain.errors import AdvisorError
from advisor.domain.plan import ArtifactRef
from advisor.domain.words import ArtifactKind
from advisor.runs.answering import Answerer

pytestmark = pytest.mark.process

QUESTION = (Turn(content="What does the function return?"),)


def model_at(path: Path | str) -> dict[str, ArtifactRef]:
    return {"model": ArtifactRef(kind=ArtifactKind.CAUSAL_LM, path=str(path))}


@pytest.fixture(scope="module")
def answerer(tiny_model: Path) -> Iterator[Answerer]:
    """The tiny model, loaded and ready."""
    with Answerer(model_at(tiny_model), threads=1) as opened:
        assert opened.ready().bytes > 0
        yield opened


def test_pieces_make_the_answer(answerer: Answerer) -> None:
    """An answer comes in pieces that together are its text, and says how many tokens it has and why it ended."""
    said = list(answerer.ask(QUESTION, max_tokens=12))
    end = said[-1]
    assert isinstance(end, Answered)
    assert "".join(piece.text for piece in said if isinstance(piece, Piece)) == end.text
    assert end.tokens == 12 or end.reason == "end"
    assert 0 < end.first_seconds <= end.seconds


def test_greedy_answers_repeat(answerer: Answerer) -> None:
    """Without a temperature the same question has the same answer; with one the seed decides it."""

    def text(**how: float) -> str:
        end = list(answerer.ask(QUESTION, max_tokens=12, **how))[-1]  # type: ignore[arg-type]
        return end.text

    assert text() == text()
    assert text(temperature=1.5, seed=1) == text(temperature=1.5, seed=1)
    assert text(temperature=1.5, seed=1) != text(temperature=1.5, seed=2)


def test_same_as_the_library(answerer: Answerer, tiny_model: Path) -> None:
    """The answer is what transformers generates for the rendered conversation."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(str(tiny_model), dtype=torch.bfloat16, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_model), local_files_only=True)
    batch = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION[0].content}],
        add_generation_prompt=True, return_tensors="pt", return_dict=True,
    )  # fmt: skip
    ids = model.generate(**batch, max_new_tokens=12, do_sample=False)[0][batch["input_ids"].shape[1] :]
    said = list(answerer.ask(QUESTION, max_tokens=12))[-1]
    assert said.text == tokenizer.decode(ids, skip_special_tokens=True)


def test_a_long_answer_can_be_cancelled(answerer: Answerer) -> None:
    """Cancel ends the answer between two tokens; the next question is answered as usual."""
    answers = answerer.ask(QUESTION, max_tokens=400, temperature=2.0)
    next(answers)
    answerer.cancel()
    end = list(answers)[-1]
    assert isinstance(end, Answered)
    assert end.reason == "cancelled" or end.tokens < 400
    assert isinstance(list(answerer.ask(QUESTION, max_tokens=2))[-1], Answered)


def test_too_long_a_conversation_is_refused_and_it_goes_on(answerer: Answerer) -> None:
    """A question that leaves no room is an error with what to do; the process answers the next one."""
    with pytest.raises(AdvisorError, match="the model reads 512"):
        list(answerer.ask((Turn(content="word " * 2000),)))
    assert isinstance(list(answerer.ask(QUESTION, max_tokens=2))[-1], Answered)


def test_what_cannot_be_loaded_is_one_message(tmp_path: Path) -> None:
    """A missing model is refused with the loader's own words, not with a broken pipe."""
    with Answerer(model_at(tmp_path / "none"), threads=1) as opened, pytest.raises(AdvisorError, match="none"):
        opened.ready()


def test_closing_leaves_no_process(tiny_model: Path) -> None:
    """After close the process is gone, also when it was never ready."""
    opened = Answerer(model_at(tiny_model), threads=1)
    pid = opened._process.pid
    opened.close()
    assert not psutil.pid_exists(pid)


def test_killed_is_said(tiny_model: Path) -> None:
    """A process that was killed is told as such."""
    with Answerer(model_at(tiny_model), threads=1) as opened:
        psutil.Process(opened.ready().pid).send_signal(signal.SIGKILL)
        time.sleep(0.1)
        with pytest.raises(AdvisorError, match="is gone"):
            list(opened.ask(QUESTION))
