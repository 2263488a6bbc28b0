"""Evaluations of the tiny model."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.run import Evaluation
from executors import evaluate
from executors.evaluate import Config
from executors.protocol import Input, Inputs, Machine

METRICS = {
    "held_out_loss", "held_out_perplexity", "accuracy", "generation", "prefill", "peak_memory", "bytes_on_disk",
}  # fmt: skip


def measure(path: Path, out: Path, listener: Any, kind: str = "causal-lm", **changes: Any) -> Evaluation:
    settings: dict[str, Any] = {
        "data": {"path": "builtin:stdlib", "kind": "instructions"},
        "max_examples": 12,
        "seq_len": 256,
        "multiple_choice": 6,
        "generate_tokens": 4,
    }
    out.mkdir(exist_ok=True)
    inputs = Inputs(roles={"model": Input(kind=kind, path=str(path))})
    evaluate.run(Config.model_validate({**settings, **changes}), inputs, out, listener)
    return Evaluation.model_validate_json((out / "evaluation.json").read_bytes())


def test_everything_is_measured(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """All metrics are written and reported; means follow from the values per example and their weights."""
    found = measure(tiny_model, tmp_path, listener)
    assert {metric.name for metric in found.metrics} == METRICS == listener.metrics.keys()
    losses, weights = found.per_example["held_out_loss"], found.weights["held_out_loss"]
    assert len(losses) == len(weights) == 12
    mean = sum(loss * weight for loss, weight in zip(losses, weights, strict=True)) / sum(weights)
    assert found.value("held_out_loss") == pytest.approx(mean)
    assert found.value("held_out_perplexity") == pytest.approx(math.exp(mean))
    assert found.value("accuracy") == pytest.approx(sum(found.per_example["accuracy"]) / 6)
    assert found.value("bytes_on_disk") == sum(file.stat().st_size for file in tiny_model.iterdir())
    assert len(found.samples) == 3
    assert {"prompt", "answer"} == found.samples[0].keys()


def test_two_evaluations_can_be_paired(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """A second evaluation measures the same examples in the same order, with the same values."""
    one, two = (measure(tiny_model, tmp_path / name, listener) for name in ("one", "two"))
    assert one.per_example == two.per_example
    assert one.weights == two.weights


def test_parts_can_be_left_out(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """Zero questions and zero tokens leave their metrics out."""
    found = measure(tiny_model, tmp_path, listener, multiple_choice=0, generate_tokens=0)
    assert {metric.name for metric in found.metrics} == METRICS - {"accuracy", "generation", "prefill"}
    assert found.samples == ()


def test_long_texts_count_as_one_example(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """A text cut into many windows is one example, weighted by all its tokens."""
    data = {"path": "builtin:stdlib", "kind": "text"}
    found = measure(tiny_model, tmp_path, listener, data=data, seq_len=32, max_examples=5)
    assert len(found.per_example["held_out_loss"]) == 5
    assert max(found.weights["held_out_loss"]) > 32


def test_an_adapter_is_put_on_top(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """With an adapter the losses are those of the adapted model, and its files count to the size."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    adapted = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    torch.manual_seed(0)
    adapted.save_pretrained(tmp_path / "adapter")
    inputs = Inputs(
        roles={
            "model": Input(kind="causal-lm", path=str(tiny_model)),
            "adapter": Input(kind="adapter", path=str(tmp_path / "adapter")),
        }
    )
    config = Config.model_validate(
        {"data": {"path": "builtin:stdlib", "kind": "instructions"}, "max_examples": 4, "multiple_choice": 0,
         "generate_tokens": 0}
    )  # fmt: skip
    evaluate.run(config, inputs, tmp_path, listener)
    with_adapter = Evaluation.model_validate(json.loads((tmp_path / "evaluation.json").read_text()))
    alone = measure(tiny_model, tmp_path / "alone", listener, max_examples=4)
    assert with_adapter.per_example["held_out_loss"] != alone.per_example["held_out_loss"]
    assert (with_adapter.value("bytes_on_disk") or 0) > (alone.value("bytes_on_disk") or 0)


def test_preflight_reads_the_data(tmp_path: Path) -> None:
    """Data that cannot be read is refused before anything starts."""
    inputs = Inputs(roles={})
    good = Config.model_validate({"data": {"path": "builtin:stdlib", "kind": "text"}})
    bad = Config.model_validate({"data": {"path": str(tmp_path / "x.jsonl"), "kind": "text"}})
    assert evaluate.preflight(good, inputs, Machine()) == []
    assert [d.code for d in evaluate.preflight(bad, inputs, Machine())] == ["data"]


def test_a_prompt_is_measured_with_the_model(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """Through a prompt the same answers are measured, token for token, so that both can be paired."""
    from executors.prompt.file import Example, PromptFile, write_prompt

    write_prompt(PromptFile(system="Be brief.", examples=(Example(question="a?", answer="b"),), shown=1), tmp_path)
    roles = {"model": Input(kind="causal-lm", path=str(tiny_model)), "prompt": Input(kind="prompt", path=str(tmp_path))}
    settings = {"data": {"path": "builtin:stdlib", "kind": "instructions"}, "max_examples": 8, "seq_len": 512,
                "multiple_choice": 3, "generate_tokens": 2, "answers": 4, "answer_tokens": 4}  # fmt: skip
    evaluate.run(Config.model_validate(settings), Inputs(roles=roles), tmp_path, listener)
    with_prompt = Evaluation.model_validate_json((tmp_path / "evaluation.json").read_bytes())
    alone = measure(tiny_model, tmp_path / "alone", listener, **settings)
    assert with_prompt.weights == alone.weights
    assert with_prompt.per_example["held_out_loss"] != alone.per_example["held_out_loss"]
    assert len(alone.per_example["answer_accuracy"]) == len(with_prompt.per_example["answer_f1"]) == 4
    assert "wanted" in with_prompt.samples[0]
