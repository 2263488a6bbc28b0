"""`advisor estimate` as scripts use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advisor.cli import run_command
from advisor.domain.errors import AdvisorError

CONFIG = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32000, "tie_word_embeddings": False,
}  # fmt: skip


def answer(file: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, object]:
    assert run_command(["estimate", str(file), "--json", *options]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def write(folder: Path, text: str) -> Path:
    file = folder / "estimate.yaml"
    file.write_text(text)
    return file


def test_the_whole_file_of_the_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every key of the contract is read; the answer has peak, terms and assumptions, and is the same each time."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "config.json").write_text(json.dumps(CONFIG))
    file = write(
        tmp_path,
        "schema: 1\nmodel: {id: null, config: models/config.json, params_b: null}\nmethod: lora\nprecision: bf16\n"
        "quant: {bits: 4, type: nf4, double: false}\nmicro_batch: 1\nseq_len: 2048\ngradient_checkpointing: false\n"
        "optimizer: paged-adamw-8bit\nlora: {rank: 8, targets: [q_proj, v_proj]}\nattention: eager\ngpus: 2\n"
        "sharding: zero2\ncount: nvml\n",
    )
    first = answer(file, capsys)
    assert list(first) == ["schema", "peak_gib", "terms", "assumptions"]
    assert first["schema"] == 1
    terms, peak = first["terms"], first["peak_gib"]
    assert isinstance(terms, dict) and isinstance(peak, dict)
    assert list(terms) == [
        "weights", "adapters", "gradients", "optimizer", "activations", "logits", "temporary", "context",
    ]  # fmt: skip
    assert sum(terms.values()) == pytest.approx(peak["expected"], abs=1e-3)
    assert answer(file, capsys) == first


@pytest.mark.parametrize(
    "model", ["{id: meta-llama/Llama-2-7b-hf}", "{params_b: 6.74}", "{config: config.json, id: gpt2}"]
)
def test_ways_to_name_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str) -> None:
    """A catalogue id, a number of parameters and a config.json give the same model; config.json wins over an id."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    terms = answer(write(tmp_path, f"model: {model}\nmethod: lora\n"), capsys)["terms"]
    assert isinstance(terms, dict)
    assert terms["weights"] == pytest.approx(12.55, rel=0.01)


def test_a_published_quantized_model_is_counted_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The quantization in a config.json is taken when the file says nothing of it."""
    quantized = {**CONFIG, "quantization_config": {"quant_method": "awq", "bits": 4}}
    (tmp_path / "config.json").write_text(json.dumps(quantized))
    terms = answer(write(tmp_path, "model: {config: config.json}\nmethod: inference\n"), capsys)["terms"]
    assert isinstance(terms, dict)
    assert 3 < terms["weights"] < 4.5


def test_a_gpu_that_is_too_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --gpu the answer says whether it fits, what each fix saves, and how long a step takes."""
    file = write(tmp_path, "model: {params_b: 7}\nmethod: lora\nmicro_batch: 8\n")
    found = answer(file, capsys, "--gpu", "RTX 4090:24")
    assert found["fits"] is False
    fixes, seconds = found["fixes"], found["step_seconds"]
    assert isinstance(fixes, list) and fixes[-1]["fits"]
    assert isinstance(seconds, float) and 0.1 < seconds < 100
    assert run_command(["estimate", str(file), "--gpu", "RTX 4090:24"]) == 0
    text = capsys.readouterr().out
    assert "Does not fit on RTX 4090" in text
    assert "gradient checkpointing" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: {params_b: 7}\nmicro_bach: 4\n", (":2:", "'micro_batch'")),
        ("model: {parms_b: 7}\n", (":1:", "'params_b'")),
        ("model: {params_b: 7}\nmethod: lorra\n", (":2: method:", "'lora'")),
        ("model: {params_b: 7}\n\noptimizer: adamww\n", (":3: optimizer:", "'adamw'")),
        ("model: {params_b: 7}\nprecision: bf61\n", (":2: precision:", "'bf16'")),
        ("model: {params_b: 7}\nquant: {bits: 4, type: nf5}\n", ("quant.type", "nf4")),
        ("model: {config: nowhere.json}\n", (":1: model.config:", "relative")),
        ("model: {id: nobody/nothing-at-all}\n", (":1: model.id:", "params_b")),
        ("model: {id: meta-llama/Llama-2-7c-hf}\n", ("model.id", "'meta-llama/Llama-2-7b-hf'")),
        ("method: lora\n", ("names no model", "params_b")),
        ("model: {params_b: -3}\n", (":1: model.params_b",)),
        ("model: {params_b: 7}\nmicro_batch: 0\n", (":2: micro_batch",)),
    ],
)
def test_mistakes_are_named_where_they_stand(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    """A wrong key, value or model is an error that names place, key and what is near."""
    with pytest.raises(AdvisorError) as error:
        run_command(["estimate", str(write(tmp_path, text))])
    message = error.value.message()
    for word in words:
        assert word in message
    assert error.value.code == 2
