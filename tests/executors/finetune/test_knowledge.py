"""Training on corpora and with lean optimizers: what is learnt, packed, saved and gone on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors import finetune
from executors.finetune import Config
from executors.protocol import Inputs, Machine, Stopped
from tests.executors.finetune.test_finetune import held_out_loss

TEXTS = {"path": "builtin:stdlib", "kind": "text", "max_examples": 80}


@pytest.mark.parametrize("recipe", [None, {"name": "dated", "date": "2025-01"}])
def test_a_corpus_is_packed_and_learnt(
    recipe: Any, config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Packed continued pre-training lowers the loss of held-out text, and says how much padding it saved."""
    settings = config(method="full", data={**TEXTS, "recipe": recipe}, packing=True, max_steps=16, seq_len=64)
    before = held_out_loss(settings, inputs.path("model"))
    finetune.run(settings, inputs, tmp_path / "out", listener)
    assert held_out_loss(settings, str(tmp_path / "out")) < before - 0.5
    assert listener.metrics["padding_after_packing"] < listener.metrics["padding_before_packing"]


@pytest.mark.parametrize("name", ["adamw-8bit", "paged-adamw-8bit", "adafactor", "sgd"])
def test_lean_optimizers_are_gone_on_from_bit_for_bit(
    name: str, config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any, stopping_listener: Any
) -> None:
    """Stopped after a step and gone on from its checkpoint, a training ends with the weights of an unbroken one."""
    settings = config(method="full", optimizer=name, max_steps=5, learning_rate=1e-3)
    finetune.run(settings, inputs, tmp_path / "whole", listener)
    broken = inputs.model_copy(update={"scratch": str(tmp_path / "broken")})
    with pytest.raises(Stopped):
        finetune.run(settings, broken, tmp_path / "out", stopping_listener)
    finetune.run(settings, broken, tmp_path / "out", listener)
    files = [tmp_path / folder / "model.safetensors" for folder in ("whole", "out")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert listener.metrics["optimizer_state"] >= 0


def test_a_missing_package_is_told_before_the_start(config: Callable[..., Config], inputs: Inputs) -> None:
    """Attention kernels that are not installed are refused with what to take instead."""
    found = finetune.preflight(config(attention="flash"), inputs, Machine())
    assert [d.code for d in found] == ["package"] and "sdpa" in found[0].hint


def test_rows_passed_over_are_named(config: Callable[..., Config], inputs: Inputs, tmp_path: Path) -> None:
    """With `bad_rows: skip` a warning gives file, line and reason of what is left out."""
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(f'{{"prompt": "q{n}", "completion": "a"}}\n' for n in range(9)) + "{broken\n")
    data = {"path": str(file), "kind": "instructions"}
    assert [d.code for d in finetune.preflight(config(data=data), inputs, Machine())] == ["data"]
    (warning,) = finetune.preflight(config(data={**data, "bad_rows": "skip"}), inputs, Machine())
    assert warning.code == "bad-rows-skipped" and f"{file}:10" in warning.because
