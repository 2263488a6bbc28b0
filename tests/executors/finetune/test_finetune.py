"""Supervised fine-tuning of the tiny model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from advisor.domain.errors import AdvisorError, ExitCode, Severity
from executors import finetune
from executors.finetune import Config
from executors.protocol import Inputs, Machine, Stopped
from executors.training.checkpoint import find_newest


def held_out_loss(config: Config, model: str, adapter: str | None = None, seq_len: int = 96) -> float:
    """Loss on the held-out rows of a model as it is loaded from disk."""
    from executors.datasets import load
    from executors.datasets.render import encode
    from executors.metrics.answers import answer_losses, mean_loss
    from executors.models.load import load_model

    loaded = load_model("causal-lm", model, adapter=adapter)
    return mean_loss(answer_losses(loaded.model, encode(load(config.data, "held-out"), loaded.tokenizer, seq_len)))


@pytest.mark.parametrize("method", ["lora", "dora", "qlora"])
def test_adapters_learn_and_load(
    method: str, config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """An adapter trained by each method, loaded again by PEFT from disk, lowers the held-out loss."""
    settings = config(method=method, max_steps=40, learning_rate=2e-2)
    finetune.run(settings, inputs, tmp_path / "out", listener)
    model = inputs.path("model")
    before, after = held_out_loss(settings, model), held_out_loss(settings, model, str(tmp_path / "out"))
    assert after < before - 0.05
    assert listener.metrics["held_out_loss"] == pytest.approx(after, abs=0.15 if method == "qlora" else 0.05)
    written = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert written["use_dora"] == (method == "dora")
    assert (tmp_path / "out" / "tokenizer.json").is_file()


def test_full_training_learns(config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any) -> None:
    """Training of all weights leaves a model folder that transformers loads and that has learnt."""
    settings = config(method="full", max_steps=40)
    finetune.run(settings, inputs, tmp_path / "out", listener)
    after = held_out_loss(settings, str(tmp_path / "out"))
    assert after < 0.6 * held_out_loss(settings, inputs.path("model"))
    assert listener.metrics["held_out_loss"] == pytest.approx(after, abs=0.02)


def test_no_path_of_this_machine_is_written(
    config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """The adapter's configuration names the base without the folder it lay in."""
    finetune.run(config(max_steps=1), inputs, tmp_path / "out", listener)
    for file in (tmp_path / "out").glob("*.json"):
        assert str(Path(inputs.path("model")).parent) not in file.read_text()


def test_events_tell_the_course(config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any) -> None:
    """Loss, learning rate, gradient norm, speed and held-out loss are reported, and progress counts steps."""
    finetune.run(config(), inputs, tmp_path / "out", listener)
    expected = {"loss", "learning_rate", "grad_norm", "tokens_per_second", "held_out_loss"}
    assert expected <= listener.metrics.keys()
    assert listener.metrics["tokens_per_second"] > 0
    steps = [(done, total) for done, total, unit in listener.positions if unit == "steps"]
    assert steps[0] == (0, 12)
    assert steps[-1] == (12, 12)


def test_accumulation_changes_nothing_but_memory(
    config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Four rows at once and two times two rows give the same weights up to rounding."""
    from safetensors.torch import load_file

    for name, micro, accumulation in (("one", 4, 1), ("two", 2, 2)):
        settings = config(precision="fp32", micro_batch=micro, accumulation=accumulation, max_steps=4)
        apart = inputs.model_copy(update={"scratch": str(tmp_path / f"scratch-{name}")})
        finetune.run(settings, apart, tmp_path / name, listener)
    one, two = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("one", "two"))
    assert all((one[key] - two[key]).abs().max() < 2e-3 for key in one)


def test_a_stop_is_saved_and_gone_on_from(
    config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any, stopping_listener: Any
) -> None:
    """A training asked to stop saves, raises `Stopped`, and then ends with the weights of an unbroken one."""
    finetune.run(config(), inputs, tmp_path / "whole", listener)
    broken = inputs.model_copy(update={"scratch": str(tmp_path / "broken")})
    with pytest.raises(Stopped):
        finetune.run(config(), broken, tmp_path / "out", stopping_listener)
    assert find_newest(tmp_path / "broken" / "checkpoints").step == 1
    assert not (tmp_path / "out").exists()
    finetune.run(config(), broken, tmp_path / "out", listener)
    files = [tmp_path / name / "adapter_model.safetensors" for name in ("whole", "out")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_bad_number_stops_before_the_weights_move(
    method: str, config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """When the loss turns into NaN, training ends with exit code 1 at that step, and no checkpoint holds a NaN."""
    import torch

    from executors.training.engine import AnswerLoss

    honest, calls, moved = AnswerLoss.compute_loss, [], []

    def poisoned(self: Any, *arguments: Any, **named: Any) -> Any:
        calls.append(1)
        moved[:] = [p.detach().clone() for p in self.model.parameters() if p.requires_grad]
        moved.append(self.model)
        return honest(self, *arguments, **named) * (float("nan") if len(calls) == 3 else 1.0)

    monkeypatch.setattr(AnswerLoss, "compute_loss", poisoned)
    with pytest.raises(AdvisorError, match="loss became nan at step 3") as caught:
        finetune.run(config(method=method, save_steps=1), inputs, tmp_path / "out", listener)
    assert caught.value.code == ExitCode.RUN_FAILED
    *before, model = moved
    after = [p for p in model.parameters() if p.requires_grad]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert find_newest(Path(inputs.scratch) / "checkpoints").step == 2


def test_targets_are_checked(config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any) -> None:
    """`attention` adapts the attention alone; names the model lacks are an error that repeats them."""
    from safetensors.torch import load_file

    finetune.run(config(targets="attention", max_steps=1), inputs, tmp_path / "out", listener)
    assert all("self_attn" in name for name in load_file(tmp_path / "out" / "adapter_model.safetensors"))
    apart = inputs.model_copy(update={"scratch": str(tmp_path / "other")})
    with pytest.raises(AdvisorError, match="no_such_module"):
        finetune.run(config(targets=("no_such_module",)), apart, tmp_path / "x", listener)


def test_preflight_reads_the_data(config: Callable[..., Config], inputs: Inputs, tmp_path: Path) -> None:
    """Unusable data, and kinds that cannot be trained on, are refused before the start."""
    assert finetune.preflight(config(), inputs, Machine()) == []
    missing = config(data={"path": str(tmp_path / "none.jsonl"), "kind": "instructions"})
    wrong = config(data={"path": "builtin:stdlib", "kind": "rewards"})
    found = [finetune.preflight(bad, inputs, Machine()) for bad in (missing, wrong)]
    assert [[d.code for d in one] for one in found] == [["data"], ["data-kind"]]
    assert all(d.severity == Severity.DANGER for one in found for d in one)


def test_unknown_settings_are_errors(config: Callable[..., Config]) -> None:
    """A misspelt key and a value outside its range are refused."""
    for bad in ({"learn_rate": 1}, {"rank": 0}, {"method": "magic"}, {"warmup": 1.0}):
        with pytest.raises(ValidationError):
            config(**bad)
