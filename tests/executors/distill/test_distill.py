"""Tests of distillation on tiny models: each form learns, resumes, and refuses what cannot work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from advisor.domain.words import ArtifactKind
from executors import distill
from executors.datasets import load
from executors.datasets.render import encode
from executors.distill.written import FILE
from executors.models.head import predicting
from executors.models.load import load_tokenizer
from executors.protocol import Input, Inputs, Machine, Stopped
from executors.training.order import collate


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory, make_model: Any) -> Path:
    """A teacher of four layers with weights of its own."""
    folder: Path = make_model(tmp_path_factory.mktemp("teacher"), seed=5, num_hidden_layers=4)
    return folder


def _config(tiny_data: Path, **changes: Any) -> distill.Config:
    settings: dict[str, Any] = {
        "data": {"path": str(tiny_data), "kind": "instructions", "held_out": 0.2},
        "max_steps": 10,
        "micro_batch": 4,
        "seq_len": 96,
        "learning_rate": 5e-3,
        "precision": "fp32",
    }
    return distill.Config.model_validate({**settings, **changes})


def _inputs(student: Path, teacher: Path, scratch: Path) -> Inputs:
    roles = {"model": student, "teacher": teacher}
    given = {role: Input(kind=ArtifactKind.CAUSAL_LM, path=str(path)) for role, path in roles.items()}
    return Inputs(roles=given, seed=1, threads=1, scratch=str(scratch))


def _distance(student: Any, teacher: Path, tiny_data: Path) -> float:
    """Mean KL(teacher || student) at the answers of the held-out rows."""
    spec = _config(tiny_data).data
    rows = encode(load(spec, "held-out"), load_tokenizer(teacher), 96)
    batch = collate(rows, 2)
    positions = predicting(batch["labels"])
    guide = AutoModelForCausalLM.from_pretrained(teacher, dtype=torch.float32)
    with torch.no_grad():
        ours, theirs = (m(batch["input_ids"]).logits[positions].log_softmax(-1) for m in (student, guide))
    return float(torch.nn.functional.kl_div(ours, theirs, reduction="batchmean", log_target=True))


def _loaded(folder: Path, base: Path | None = None) -> Any:
    model = AutoModelForCausalLM.from_pretrained(base or folder, dtype=torch.float32)
    if base is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, folder)
    return model.eval()


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        ("logits", {"teacher_share": 1.0}),
        ("logits", {"teacher_share": 1.0, "method": "lora", "rank": 8}),
        ("features", {"teacher_share": 1.0}),
        ("on-policy", {"divergence": 0.0, "temperature": 1.0, "new_tokens": 8, "sampling": 1.0}),
        ("on-policy", {"divergence": 0.5, "own_answers": 0.5, "temperature": 1.0, "new_tokens": 8}),
    ],
)
def test_the_student_comes_nearer_to_its_teacher(
    tiny_model: Path, teacher: Path, tiny_data: Path, tmp_path: Path, listener: Any, form: str, changes: dict[str, Any]
) -> None:
    """On held-out questions the student's probabilities are nearer to the teacher's than before."""
    config = _config(tiny_data, form=form, keep_best=False, **changes)
    distill.run(config, _inputs(tiny_model, teacher, tmp_path / "scratch"), tmp_path / "out", listener)
    base = tiny_model if config.method == "lora" else None
    before = _distance(_loaded(tiny_model), teacher, tiny_data)
    assert _distance(_loaded(tmp_path / "out", base), teacher, tiny_data) < 0.9 * before
    assert not any("projection" in name for name in load_file(next((tmp_path / "out").glob("*model.safetensors"))))


def test_hidden_states_of_another_width_are_projected(
    tiny_model: Path, tiny_data: Path, tmp_path: Path, make_model: Any, listener: Any
) -> None:
    """A wider teacher teaches through learned projections, which are no part of the result."""
    wide = make_model(tmp_path / "wide", seed=7, hidden_size=96, num_hidden_layers=4)
    config = _config(tiny_data, form="features", layer_map=[[0, 1], [1, 3]], max_steps=4)
    distill.run(config, _inputs(tiny_model, wide, tmp_path / "scratch"), tmp_path / "out", listener)
    before, after = load_file(tiny_model / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert set(before) == set(after)
    assert not torch.equal(before["model.layers.0.mlp.up_proj.weight"], after["model.layers.0.mlp.up_proj.weight"])


@pytest.mark.parametrize("form", ["features", "on-policy"])
def test_stopped_and_resumed_is_bit_identical(
    tiny_model: Path, tiny_data: Path, tmp_path: Path, make_model: Any, listener: Any, stopping_listener: Any, form: str
) -> None:
    """With learned projections and with sampled answers, an interruption leaves no trace in the weights."""
    wide = make_model(tmp_path / "wide", seed=7, hidden_size=96)
    more = {"new_tokens": 6, "own_answers": 0.5} if form == "on-policy" else {}
    config = _config(tiny_data, form=form, max_steps=6, keep_best=False, **more)
    stopping_listener.stop_after = 3  # said: reading, begun, the first step
    with pytest.raises(Stopped):
        distill.run(config, _inputs(tiny_model, wide, tmp_path / "torn"), tmp_path / "none", stopping_listener)
    distill.run(config, _inputs(tiny_model, wide, tmp_path / "torn"), tmp_path / "resumed", listener)
    assert any("going on after step" in line for line in listener.lines)
    distill.run(config, _inputs(tiny_model, wide, tmp_path / "whole"), tmp_path / "whole-out", listener)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("resumed", "whole-out"))
    assert all(torch.equal(one[name], two[name]) for name in two)


def _finetuned(tiny_model: Path, tiny_data: Path, folder: Path, listener: Any) -> Path:
    """A teacher that has learnt to answer the questions and to end."""
    from executors import finetune

    settings = {"method": "full", "max_steps": 60, "learning_rate": 1e-2, "precision": "fp32"}
    config = finetune.Config.model_validate(
        {**_config(tiny_data).model_dump(include={"data", "micro_batch", "seq_len"}), **settings}
    )
    inputs = _inputs(tiny_model, tiny_model, folder / "scratch")
    finetune.run(
        config, inputs.model_copy(update={"roles": {"model": inputs.roles["model"]}}), folder / "out", listener
    )
    return folder / "out"


@pytest.fixture(scope="session")
def able(tiny_model: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher that can answer."""
    from tests.executors.conftest import Listener

    return _finetuned(tiny_model, tiny_data, tmp_path_factory.mktemp("able"), Listener())


def test_a_teacher_that_writes(
    tiny_model: Path, able: Path, tiny_data: Path, tmp_path: Path, listener: Any, stopping_listener: Any
) -> None:
    """Its answers to the data's questions are learnt; stopped while writing, it goes on after the finished batch."""
    config = _config(tiny_data, form="text", sampling=0, new_tokens=24, written_rows=24, max_steps=4)
    inputs = _inputs(tiny_model, able, tmp_path / "scratch")
    with pytest.raises(Stopped):
        distill.run(config, inputs, tmp_path / "none", stopping_listener)
    first = (tmp_path / "scratch" / FILE).read_text()
    distill.run(config, inputs, tmp_path / "out", listener)
    assert (tmp_path / "scratch" / FILE).read_text().startswith(first)
    assert listener.metrics["written_rows"] == 24
    rows = [json.loads(line) for line in (tmp_path / "out" / FILE).read_text().splitlines()]
    assert len(rows) == listener.metrics["learnt_rows"] >= 12
    assert all(row["question"].startswith("What does f") and row["answer"] for row in rows)


def test_a_teacher_that_asks_and_answers(
    tiny_model: Path, able: Path, tiny_data: Path, tmp_path: Path, listener: Any
) -> None:
    """It writes questions of its own; what is empty, cut off, alike or unlikely is counted and left out."""
    config = _config(
        tiny_data, form="synthetic", sampling=1.0, new_tokens=24, written_rows=32, max_steps=2, similarity=0.9
    )
    distill.run(config, _inputs(tiny_model, able, tmp_path / "scratch"), tmp_path / "out", listener)
    counted = sum(v for name, v in listener.metrics.items() if name.startswith("dropped_"))
    assert listener.metrics["learnt_rows"] + counted == 32
    assert 0 < listener.metrics["learnt_rows"] < 32


def test_the_teacher_is_corrected_first(
    tiny_model: Path, teacher: Path, tiny_data: Path, tmp_path: Path, listener: Any
) -> None:
    """With `teacher_steps` the student is taught by a copy of the teacher that was fine-tuned on the data."""
    config = _config(tiny_data, teacher_steps=30, max_steps=10, teacher_share=1.0, temperature=1.0)
    before = {file.name: file.read_bytes() for file in teacher.iterdir()}
    distill.run(config, _inputs(tiny_model, teacher, tmp_path / "scratch"), tmp_path / "out", listener)
    corrected = tmp_path / "scratch" / "teacher"
    plain = _config(tiny_data, teacher_share=1.0, temperature=1.0)
    distill.run(plain, _inputs(tiny_model, teacher, tmp_path / "plain"), tmp_path / "plain-out", listener)
    student, other = _loaded(tmp_path / "out"), _loaded(tmp_path / "plain-out")
    assert _distance(student, corrected, tiny_data) < _distance(other, corrected, tiny_data)
    assert {file.name: file.read_bytes() for file in teacher.iterdir()} == before


def test_a_model_that_teaches_itself_makes_its_student(
    teacher: Path, tiny_data: Path, tmp_path: Path, listener: Any
) -> None:
    """With `student_layers` the student is the model without those layers, and its record says which."""
    config = _config(tiny_data, student_layers=0.5, max_steps=2)
    distill.run(config, _inputs(teacher, teacher, tmp_path / "scratch"), tmp_path / "out", listener)
    assert _loaded(tmp_path / "out").config.num_hidden_layers == 2
    assert json.loads((tmp_path / "out" / "structure.json").read_text())["method"] == "depth"


def test_preflight(tiny_model: Path, teacher: Path, tiny_data: Path, tmp_path: Path) -> None:
    """Another vocabulary, no teacher, data that asks nothing, several processes: refused before anything is loaded,
    with what to do."""
    inputs = _inputs(tiny_model, teacher, tmp_path)
    assert distill.preflight(_config(tiny_data), inputs, Machine()) == []
    other = tmp_path / "other"
    other.mkdir()
    for file in teacher.iterdir():
        text = file.read_text("latin-1")
        (other / file.name).write_text(text.replace('"ber"', '"bar"'), "latin-1")
    foreign = _inputs(tiny_model, other, tmp_path)
    (found,) = distill.preflight(_config(tiny_data), foreign, Machine())
    assert found.code == "other-vocabulary" and "form: text" in found.hint
    assert distill.preflight(_config(tiny_data, form="text"), foreign, Machine()) == []
    assert [d.code for d in distill.preflight(_config(tiny_data, processes=2), inputs, Machine())] == ["processes"]
    alone = inputs.model_copy(update={"roles": {"model": inputs.roles["model"]}})
    assert [d.code for d in distill.preflight(_config(tiny_data), alone, Machine())] == ["missing-input"]
    text = _config(tiny_data, form="on-policy").model_copy(
        update={"data": _config(tiny_data).data.model_copy(update={"kind": "text"})}
    )
    assert [d.code for d in distill.preflight(text, inputs, Machine())] == ["data-kind"]


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0},
        {"teacher_share": 1.5},
        {"divergence": 0.2},
        {"form": "text", "temperature": 3.0},
        {"form": "logits", "similarity": 0.5},
        {"method": "ia3"},
        {"student_layers": 1.0},
        {"student_layers": 0.2, "method": "lora"},
    ],
)
def test_settings_that_make_no_sense_are_refused(tiny_data: Path, changes: dict[str, Any]) -> None:
    """Out of range, or read by nothing in the form chosen."""
    with pytest.raises(ValidationError):
        _config(tiny_data, **changes)


def test_vocabularies_are_compared_by_name(tiny_model: Path, teacher: Path, tmp_path: Path) -> None:
    """Before a plan is made: alike, different, or not to be seen here."""
    from executors.distill.vocabulary import shares_vocabulary

    assert shares_vocabulary(str(tiny_model), str(teacher)) is True
    other = tmp_path / "other"
    other.mkdir()
    (other / "tokenizer.json").write_text((teacher / "tokenizer.json").read_text().replace('"ber"', '"bar"'))
    assert shares_vocabulary(str(tiny_model), str(other)) is False
    assert shares_vocabulary(str(tiny_model), "org/not-here") is None
    assert shares_vocabulary("builtin:none", str(teacher)) is None
