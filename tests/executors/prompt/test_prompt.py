"""The prompting step, and models that are asked through what it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from executors import prompt
from executors.constrain.valid import is_valid
from executors.datasets.rows import Message, ask
from executors.prompt import Config
from executors.prompt.asking import Asker
from executors.prompt.file import Example, PromptFile, read_prompt
from executors.prompt.run import ANSWER_SCHEMA
from executors.protocol import Input, Inputs, Machine

STDLIB = {"path": "builtin:stdlib", "kind": "instructions"}


def make(out: Path, model: Path, listener: Any, earlier: Path | None = None, **settings: Any) -> PromptFile:
    out.mkdir(exist_ok=True)
    roles = {"model": Input(kind="causal-lm", path=str(model))}
    if earlier is not None:
        roles["prompt"] = Input(kind="prompt", path=str(earlier))
    config = Config.model_validate(settings)
    inputs = Inputs(roles=roles)
    assert prompt.preflight(config, inputs, Machine()) == []
    prompt.run(config, inputs, out, listener)
    return read_prompt(out)


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Any:
    from executors.models.load import load_model

    return load_model("causal-lm", str(tiny_model))


@pytest.mark.parametrize("choose", ["similarity", "diversity"])
def test_few_shot(tmp_path: Path, tiny_model: Path, listener: Any, choose: str) -> None:
    """Examples come from the training side, as many as asked; the question itself is never among them."""
    found = make(tmp_path, tiny_model, listener, strategy="few-shot", data=STDLIB, examples=3, choose=choose)
    assert found.shown == 3
    turns = Asker(found).turns(found.examples[0].question)
    assert [turn.role for turn in turns] == ["system", *["user", "assistant"] * 3, "user"]
    if choose == "similarity":
        assert found.examples[0].question not in [turn.content for turn in turns[:-1]]


def test_prompts_build_on_one_another(tmp_path: Path, tiny_model: Path, listener: Any) -> None:
    """A later prompting step keeps the examples and system text of the one before it and adds its constraint."""
    make(tmp_path / "1", tiny_model, listener, strategy="few-shot", data=STDLIB, examples=2, system="Be exact.")
    found = make(tmp_path / "2", tiny_model, listener, tmp_path / "1", strategy="structured-output")
    assert (found.shown, found.system, found.answer_key) == (2, "Be exact.", "answer")
    turns = Asker(found).turns("q?")
    assert is_valid(json.loads(turns[2].content), ANSWER_SCHEMA)


def test_search_keeps_the_best(tmp_path: Path, tiny_model: Path, listener: Any) -> None:
    """The prompt kept is the one with the lowest loss on the development split, which is not shown as an example."""
    data = {**STDLIB, "max_examples": 40}
    settings = {"strategy": "few-shot", "examples": 2, "search": 5, "development": 8, "pool": 20}
    found = make(tmp_path, tiny_model, listener, data=data, **settings)
    again = make(tmp_path / "again", tiny_model, listener, data=data, **settings)
    assert found == again
    assert listener.metrics["development_loss"] > 0
    assert len(listener.lines) > 2


def test_structured_answers_are_valid(tmp_path: Path, loaded: Any, tiny_model: Path, listener: Any) -> None:
    """Every answer of a random model under the prompt is JSON that the schema allows, and is taken out of it."""
    from executors.prompt.writing import Writer

    found = make(tmp_path, tiny_model, listener, strategy="structured-output", max_tokens=40)
    answers = Writer(loaded, Asker(found)).answer(["What is 1?", "And 2?", "Why?"])
    for answer in answers:
        assert is_valid(json.loads(answer.text), ANSWER_SCHEMA)
        assert json.loads(answer.text)["answer"] == answer.answer


def test_reasoning_comes_before_the_answer(tmp_path: Path, loaded: Any, tiny_model: Path, listener: Any) -> None:
    """Chain of thought writes its reasoning first, and only what follows counts as the answer."""
    from executors.prompt.writing import Writer

    found = make(tmp_path, tiny_model, listener, strategy="chain-of-thought", reasoning=8, max_tokens=6)
    (answer,) = Writer(loaded, Asker(found)).answer(["What?"])
    assert found.reasoning == 8
    assert len(loaded.tokenizer(answer.text)["input_ids"]) <= 12


@pytest.mark.parametrize("strategy", ["react", "tool-use-model"])
def test_tools_are_called_and_bounded(
    tmp_path: Path, loaded: Any, tiny_model: Path, listener: Any, strategy: str
) -> None:
    """A random model's steps are calls of known tools or an answer; after the allowed number of calls it answers."""
    from executors.prompt.writing import Writer

    found = make(
        tmp_path,
        tiny_model,
        listener,
        strategy=strategy,
        data={**STDLIB, "max_examples": 30},
        max_steps=2,
        max_tokens=12,
    )
    (answer,) = Writer(loaded, Asker(found)).answer(["What is 2 + 3?"])
    lines = [line for line in answer.text.splitlines() if not line.startswith(("Observation: ", "Thought: "))]
    assert 1 <= len(lines) <= 3
    assert "answer" in lines[-1].lower()
    assert answer.answer and answer.answer in lines[-1]


def test_only_the_answer_is_measured(loaded: Any) -> None:
    """Through a prompt the labelled tokens are those of the answer: examples and braces are not."""
    from executors.prompt.encoding import encode_asked

    row = ask("What is the capital of France?", "Paris")
    structured = PromptFile(
        system="JSON.", shown=1, examples=(Example(question="a?", answer="b"),), answer_key="answer",
        constraint={"json_schema": ANSWER_SCHEMA},
    )  # fmt: skip
    plain, framed = (encode_asked([row], Asker(p), loaded.tokenizer, 512)[0] for p in (PromptFile(), structured))
    labelled = [loaded.tokenizer.decode([n for n in e.labels if n != -100]) for e in (plain, framed)]
    assert labelled == ["Paris<|im_end|>"] * 2
    assert '{"answer":"' in loaded.tokenizer.decode(framed.ids)


def test_examples_give_way_to_the_answer(loaded: Any) -> None:
    """Where prompt and answer do not fit together, examples are dropped from the front."""
    from executors.prompt.encoding import encode_asked

    many = PromptFile(shown=8, examples=tuple(Example(question=f"{n}?" * 9, answer="b") for n in range(8)))
    (sequence,) = encode_asked([ask("What?", "Paris")], Asker(many), loaded.tokenizer, 120)
    assert len(sequence.ids) <= 120
    assert "Paris" in loaded.tokenizer.decode(sequence.ids)


def test_earlier_turns_stay(loaded: Any) -> None:
    """A conversation's own system message and turns are kept under a prompt."""
    before = (Message("system", "Own."), Message("user", "hi"), Message("assistant", "hello"))
    turns = Asker(PromptFile(system="Ours.", question="Q: {question}")).turns("and?", before)
    assert [turn.content for turn in turns] == ["Ours.\n\nOwn.", "hi", "hello", "Q: and?"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"strategy": "few-shot"}, "no examples"),
        ({"strategy": "few-shot", "data": STDLIB, "examples": 1}, "2 to 8"),
        ({"strategy": "few-shot", "data": {"path": "builtin:stdlib", "kind": "text"}}, "no questions"),
        ({"strategy": "few-shot", "data": {"path": "/none.jsonl", "kind": "qa-pairs"}}, "no data"),
        ({"search": 3}, "searched on data"),
        ({"json_schema": {"type": "null"}}, "takes no schema"),
        ({"strategy": "structured-output", "json_schema": {"enum": []}}, "nothing satisfies"),
        ({"strategy": "structured-output", "json_schema": {"type": "null"}, "regex": "a"}, "one of"),
        ({"strategy": "structured-output", "json_schema": {"type": "string", "minLength": 90}}, "may take 92"),
        ({"strategy": "react", "tools": []}, "no tools"),
        ({"prompt": {"path": "/none.json"}}, "no prompt file"),
        ({"question": "no place"}, "exactly once"),
    ],
)
def test_preflight_says_what_is_wrong(settings: dict[str, Any], said: str) -> None:
    """Settings that cannot work are refused before anything is loaded."""
    (found,) = prompt.preflight(Config.model_validate(settings), Inputs(roles={}), Machine())
    assert said in found.text
