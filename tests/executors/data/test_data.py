"""Cleaning, mixing, formatting, writing and translating data."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.plan import DataSpec
from executors.data import format as formatting
from executors.data import mix, quality, synthesize, translate
from executors.data.near import Neighbours
from executors.data.records import to_record
from executors.datasets import load_records
from executors.datasets.rows import Conversation, Text, ask
from executors.datasets.shapes import to_row
from executors.protocol import Inputs, Machine, Stopped

LONG = "The function returns a new list of all items that pass the test, in the order in which they were given"


def read(out: Path, kind: str = "instructions") -> tuple[list[Any], list[Any]]:
    """Both sides as a training step reads them."""
    (out / "manifest.json").write_text("{}")
    spec = DataSpec(path=str(out), kind=kind)
    return list(load_records(spec, "train")), list(load_records(spec, "held-out"))


def test_quality_drops_what_it_should(
    rows_file: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Equal, nearly equal, leaked, short, long and foreign rows go, each with its reason; the held-out side stays."""
    good = [{"prompt": f"What is {word}?", "completion": f"{word} is a thing of its own kind."} for word in "abcdef"]
    bad = [
        good[0],
        {"prompt": "Held?", "completion": "Something else."},
        {"prompt": "Say it", "completion": "x"},
        {"prompt": "Long?", "completion": "word " * 200},
        {
            "prompt": "Was ist das?",
            "completion": "Das ist ein Text, der nicht auf Englisch ist, und die Regel sieht das.",
        },
        {"prompt": "Tell me", "completion": LONG + "."},
        {"prompt": "Tell me", "completion": LONG + ", always."},
    ]
    data = rows_file([*good, *bad])
    config = quality.Config.model_validate({"data": data, "max_characters": 500, "language": "en"})
    (tmp_path / "out").mkdir()
    quality.run(config, inputs, tmp_path / "out", listener)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {key: report[key] for key in quality.REASONS} == {
        "duplicate": 1, "near_duplicate": 1, "too_short": 1, "too_long": 1, "other_language": 1, "leak": 1,
    }  # fmt: skip
    train, held_out = read(tmp_path / "out")
    assert (len(train), held_out) == (7, [ask("Held?", "Out.")])


def test_near_duplicates_are_found_among_many() -> None:
    """A text with one word changed is found among three hundred others, which are not taken for it."""
    known = Neighbours(0.8)
    for number in range(300):
        known.add(
            f"{number} sheep and {number + 1} goats graze on the hill number {number} near the town of letter {number}"
        )
    words = LONG.split()
    known.add(LONG)
    assert known.find(" ".join([*words[:-1], "received"])) == 300
    assert known.find("An entirely different sentence about rivers, weather and the price of bread in winter") is None


def test_mixing_adds_the_wanted_share(
    rows_file: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Thirty percent of the mixture is general text, and what is measured stays the task's own."""
    data = rows_file([{"prompt": f"q{n}", "completion": "a"} for n in range(70)])
    general = {"path": "builtin:reference", "kind": "text"}
    (tmp_path / "out").mkdir()
    mix.run(mix.Config.model_validate({"data": data, "general": general}), inputs, tmp_path / "out", listener)
    train, held_out = read(tmp_path / "out")
    assert sum(isinstance(row, Text) for row in train) == 30 and len(train) == 100
    assert held_out == [ask("Held?", "Out.")]
    assert listener.metrics["general_share"] == pytest.approx(0.3)


def test_judged_rows_are_not_mixed_with_others(rows_file: Callable[..., Any], inputs: Inputs) -> None:
    """Preferences with text among them, which no training could read, are refused before anything is written."""
    pairs = [{"prompt": f"q{n}", "chosen": "a", "rejected": "b"} for n in range(9)]
    data = rows_file(pairs, pairs[:1], kind="preferences")
    for general, texts in (
        (
            {"path": "builtin:reference", "kind": "text"},
            ["rows of kind text cannot be mixed with rows of kind preferences"],
        ),
        (data, []),
    ):
        config = mix.Config.model_validate({"data": data, "general": general})
        assert [found.text for found in mix.preflight(config, inputs, Machine())] == texts


@pytest.mark.parametrize(
    ("shape", "keys"),
    [("messages", {"messages"}), ("alpaca", {"instruction", "input", "output"}), ("sharegpt", {"conversations"}),
     ("prompt-completion", {"prompt", "completion"})],
)  # fmt: skip
def test_every_shape_reads_back(
    shape: str, keys: set[str], rows_file: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Converted rows are the same rows when read again, and three stand as the model will see them."""
    data = rows_file([{"prompt": f"q{n}", "completion": f"a{n}"} for n in range(9)])
    (tmp_path / "out").mkdir()
    formatting.run(formatting.Config.model_validate({"data": data, "shape": shape}), inputs, tmp_path / "out", listener)
    first = json.loads((tmp_path / "out" / "train.jsonl").read_text().splitlines()[0])
    assert first.keys() == keys
    train, _ = read(tmp_path / "out")
    assert sorted(row.key for row in train) == [f"q{n}" for n in range(9)]
    samples = (tmp_path / "out" / "samples.txt").read_text()
    assert samples.count("<|im_start|>assistant\n«a") == 3 and samples.count("<|im_end|>»") == 3


def test_tools_have_no_place_in_flat_shapes(
    rows_file: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Rows that a shape cannot hold are counted, not bent; a set of only such rows is refused."""
    data = {"path": "builtin:stdlib", "kind": "tool-calls"}
    config = formatting.Config.model_validate({"data": data, "shape": "alpaca", "max_rows": 5})
    (tmp_path / "out").mkdir()
    with pytest.raises(AdvisorError, match="no row can be written"):
        formatting.run(config, inputs, tmp_path / "out", listener)


@pytest.mark.parametrize("kind", ["instructions", "tool-calls", "text", "preferences", "parallel"])
def test_records_are_rows_again(kind: str) -> None:
    """What is written of every kind of built-in row reads back as the same row."""
    for row in load_records(DataSpec(path="builtin:stdlib", kind=kind), "held-out")[:20]:
        assert to_row(json.loads(json.dumps(to_record(row)))) == row


SEEDS = [
    {"prompt": f"What does the tool number {n} do in the garden shed?", "completion": "It digs."} for n in range(6)
]


def test_new_rows_are_written_checked_and_kept(
    rows_file: Callable[..., Any], endpoint: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Questions from an endpoint are answered; refusals, repetitions and empty answers are not kept."""
    said: list[int] = []

    def parrot(prompt: str) -> str:
        if not prompt.startswith("Here are some questions"):
            return "I'm sorry, as an AI I cannot." if "sky 3" in prompt else "It is a matter of light."
        said.append(1)
        return (
            "What does the tool number 1 do in the garden shed?"
            if len(said) == 2
            else (f"1. Why is the {'wide ' * (len(said) % 5)}sky {len(said)} so very {'deep ' * len(said)}blue?")
        )

    heard = endpoint(parrot)
    config = synthesize.Config.model_validate({"data": rows_file(SEEDS), "rows": 4, "similarity": 0.9})
    (tmp_path / "out").mkdir()
    synthesize.run(config, inputs, tmp_path / "out", listener)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["rows_written"] == 4 and report["too_like_another"] == 1 and report["refusal"] == 1
    train, held_out = read(tmp_path / "out")
    assert len(train) == 10 and held_out == [ask("Held?", "Out.")]
    assert not any("sky 3 " in row.key for row in train)
    assert heard[0]["path"] == "/v1/chat/completions" and heard[0]["key"] == "Bearer sk-planted-teacher-key"
    for file in [p for p in tmp_path.rglob("*") if p.is_file()]:
        assert b"sk-planted-teacher-key" not in file.read_bytes()


def test_writing_goes_on_where_it_stopped(
    rows_file: Callable[..., Any], endpoint: Callable[..., Any], inputs: Inputs, tmp_path: Path, stopping_listener: Any,
    listener: Any,
) -> None:  # fmt: skip
    """What was kept before a stop is not written again."""
    count: list[str] = []

    def parrot(prompt: str) -> str:
        if not prompt.startswith("Here are"):
            return "Because of that."
        count.append(prompt)
        words = " ".join(f"w{len(count)}x{n}" for n in range(8))
        return f"Why {words}?"

    endpoint(parrot)
    config = synthesize.Config.model_validate({"data": rows_file(SEEDS), "rows": 20})
    (tmp_path / "out").mkdir()
    with pytest.raises(Stopped):
        synthesize.run(config, inputs, tmp_path / "out", stopping_listener)
    before = len(count)
    synthesize.run(config, inputs, tmp_path / "out", listener)
    assert before == 16 and len(count) == 20


def test_a_local_model_writes_too(rows_file: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any) -> None:
    """Without an endpoint the step's own model is asked; one that writes nonsense is told apart by the checks."""
    lengths = {"question_tokens": 24, "answer_tokens": 12}
    settings = {"data": rows_file(SEEDS), "rows": 2, "tries": 2, "method": "evol-instruct", **lengths}
    config = synthesize.Config.model_validate(settings)
    (tmp_path / "out").mkdir()
    try:
        synthesize.run(config, inputs, tmp_path / "out", listener)
        assert len(read(tmp_path / "out")[0]) > 6
    except AdvisorError as error:
        assert "passes the checks" in error.what


def test_translation_keeps_code_and_drops_what_lost_it(
    rows_file: Callable[..., Any], endpoint: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Rows come back in both languages; one whose translation lost its code does not."""
    endpoint(lambda prompt: "verloren" if "lost" in prompt else "de: " + prompt.rpartition("\n\n")[2])
    rows = [{"prompt": f"What is `f{n}`?", "completion": "lost `x`" if n == 3 else "A thing."} for n in range(6)]
    config = translate.Config.model_validate({"data": rows_file(rows), "language": "de"})
    (tmp_path / "out").mkdir()
    translate.run(config, inputs, tmp_path / "out", listener)
    train, held_out = read(tmp_path / "out")
    assert len(train) == 6 + 5
    assert ask("de: What is `f0`?", "de: A thing.") in train and held_out == [ask("de: Held?", "de: Out.")]


def test_a_translation_model_is_read_from_its_folder(
    rows_file: Callable[..., Any], tiny_model: Path, inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """A sequence-to-sequence folder translates as it is, without being asked in words."""
    from transformers import T5Config, T5ForConditionalGeneration

    from executors.models.load import load_tokenizer

    shape = {"d_model": 32, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "vocab_size": 512}
    model = T5ForConditionalGeneration(T5Config(**shape, decoder_start_token_id=0, pad_token_id=2, eos_token_id=2))
    model.save_pretrained(tmp_path / "translator")
    load_tokenizer(tiny_model).save_pretrained(tmp_path / "translator")
    roles = {**inputs.roles, "teacher": inputs.roles["model"].model_copy(update={"path": str(tmp_path / "translator")})}
    data = rows_file([{"text": "one"}, {"text": "two"}], [{"text": "held"}], "text")
    config = translate.Config.model_validate({"data": data, "language": "de", "tokens": 6})
    (tmp_path / "out").mkdir()
    with contextlib.suppress(AdvisorError):  # a random model may write nothing
        translate.run(config, inputs.model_copy(update={"roles": roles}), tmp_path / "out", listener)
    assert any("by translator" in line for line in listener.lines)
    assert listener.positions[-1][:2] == (1, 1)


def test_conversations_survive(rows_file: Callable[..., Any]) -> None:
    """A conversation of several turns is written and read as it was."""
    turns = [
        {"role": r, "content": c} for r, c in (("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    ]
    row = to_row({"messages": turns})
    assert isinstance(row, Conversation) and to_row(to_record(row)) == row
