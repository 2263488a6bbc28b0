"""Answers files become `Answers`; every fault is a sentence with place, key and the nearest valid word."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.domain.answers import Answers
from advisor.domain.errors import AdvisorError
from advisor.files import dump_yaml, read_answers

FULL = """\
schema: 1
goal: change-behavior
also: [optimize]
behavior: task
compute: limited
model: {id: Qwen/Qwen2.5-7B-Instruct, params_b: 7.6, kind: instruct, quantized: null, count: 1, same_base: true}
teacher: {id: null, params_b: null}
data: {path: null, kind: instructions, examples: 5000, tokens: null, seq_len: 1024}
train: {micro_batch: null, tokens_budget: null}
hardware:
  gpus: [{name: RTX 4090, memory_gib: 24, count: 1}]
  ram_gib: 64
  disk_gib: 500
serve: {target: gpu, gpu: null, memory_gib: null, batch: 1, bits: null, runtime: any}
needs: [citations, offline]
avoid: [full-sft]
"""


def test_the_contract_s_example_is_read(tmp_path: Path) -> None:
    """Every key of the contract is accepted, and nothing of it is lost."""
    path = tmp_path / "a.yaml"
    path.write_text(FULL)
    answers = read_answers(str(path))
    assert answers.model.params_b == 7.6
    assert answers.hardware is not None and answers.hardware.gpus is not None
    assert answers.hardware.gpus[0].memory_gib == 24
    assert answers.avoid == ("full-sft",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("goal: optimize\nmodle: {id: x}\n", "a.yaml:2: unknown key 'modle' (did you mean 'model'?)"),
        ("goal: optimise\n", "a.yaml:1: goal: 'optimise' is not valid (did you mean 'optimize'?)"),
        (
            "goal: optimize\nmodel:\n  parms_b: 3\n",
            "a.yaml:3: unknown key 'parms_b' in model (did you mean 'params_b'?)",
        ),
        ("goal: optimize\nserve: {bits: 5}\n", "a.yaml:2: serve.bits: 5 is not valid"),
        ("goal: optimize\ndata: {examples: many}\n", "a.yaml:2: data.examples: it must be a whole number"),
        ("goal: optimize\ndata: {examples: -1}\n", "a.yaml:2: data.examples:"),
        ("model: {id: x}\n", "the key 'goal' is missing"),
        (
            "goal: optimize\nneeds: [citation]\n",
            "a.yaml:2: needs.0: 'citation' is not valid (did you mean 'citations'?)",
        ),
        ("goal: optimize\nhardware: {gpus: [{name: A, memory_gib: -3}]}\n", "a.yaml:2: hardware.gpus.0.memory_gib"),
        ("", "the key 'goal' is missing"),
    ],
)
def test_a_fault_names_place_key_and_nearest(tmp_path: Path, text: str, told: str) -> None:
    """The message says which file and line, which key, and which valid word is nearest."""
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(AdvisorError) as caught:
        read_answers(str(path))
    assert told in caught.value.message()


def test_paths_are_relative_to_the_answers_file(tmp_path: Path) -> None:
    """A data path that exists beside the answers file is found from anywhere."""
    (tmp_path / "rows.jsonl").write_text("{}\n")
    path = tmp_path / "a.yaml"
    path.write_text("goal: optimize\ndata: {path: rows.jsonl}\n")
    assert read_answers(str(path)).data.path == str(tmp_path / "rows.jsonl")


def test_answers_survive_being_written(tmp_path: Path) -> None:
    """What is written as YAML reads back as the same answers."""
    path = tmp_path / "a.yaml"
    path.write_text(FULL)
    answers = read_answers(str(path))
    copy = tmp_path / "b.yaml"
    copy.write_text(dump_yaml(answers, exclude_defaults=True))
    again: Answers = read_answers(str(copy))
    assert again == answers


def test_unknown_technique_is_placed(tmp_path: Path) -> None:
    """An id in `avoid` that is none is named with file, line and the nearest; known ones pass."""
    path = tmp_path / "a.yaml"
    path.write_text("goal: optimize\navoid: [lora, lorra]\n")
    with pytest.raises(AdvisorError) as raised:
        read_answers(str(path), {"lora", "qlora"})
    assert "a.yaml:2: avoid: 'lorra' is no technique (did you mean 'lora'?)" in raised.value.message()
    assert read_answers(str(path), {"lora", "lorra"}).avoid == ("lora", "lorra")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("needs: citations", "needs: it must be a list such as [a, b], got 'citations'"),
        ("model: Qwen/Qwen2.5-7B", "model: it must hold keys and values, got 'Qwen/Qwen2.5-7B'"),
        ("model: {count: 2.5}", "model.count: it must be a whole number, got 2.5"),
        ("model: {params_b: seven}", "model.params_b: it must be a number, got 'seven'"),
        ("schema: '1'", "schema: '1' is not valid; write it without quotes"),
    ],
)
def test_types_are_told_in_plain_words(tmp_path: Path, line: str, told: str) -> None:
    """Nobody has to know Python's names of types."""
    path = tmp_path / "a.yaml"
    path.write_text(f"goal: optimize\n{line}\n")
    with pytest.raises(AdvisorError) as raised:
        read_answers(str(path))
    assert f"a.yaml:2: {told}" in raised.value.message()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("{id: base, count: 3, variants: [a, b]}", "count is 3, and 2 variants are named"),
        ("{variants: [a, b]}", "the model they were trained from"),
    ],
)
def test_variants_must_fit_the_rest(tmp_path: Path, model: str, told: str) -> None:
    """Named variants decide their number and need the model they come from; the refusal is a plain sentence."""
    file = tmp_path / "a.yaml"
    file.write_text(f"goal: optimize\nmodel: {model}\n")
    with pytest.raises(AdvisorError, match=told) as refused:
        read_answers(str(file))
    assert "value error" not in refused.value.what
    file.write_text("goal: optimize\nmodel: {id: base, variants: [a, b]}\n")
    assert read_answers(str(file)).model.count == 2


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Base, variants and data that lie beside the answers file are found from any folder; ids stay as they are."""
    for name in ("base", "first"):
        (tmp_path / name).mkdir()
    file = tmp_path / "a.yaml"
    file.write_text("goal: optimize\nmodel: {id: base, variants: [first, somebody/second]}\ndata: {path: none.jsonl}\n")
    answers = read_answers(str(file))
    assert answers.model.id == str(tmp_path / "base")
    assert answers.model.variants == (str(tmp_path / "first"), "somebody/second")
    assert answers.data.path == "none.jsonl"
