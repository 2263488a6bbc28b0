"""Every recipe of knowledge training, learnt by the tiny model from the built-in data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors import finetune
from executors.finetune import Config
from executors.protocol import Input, Inputs
from tests.executors.finetune.test_finetune import held_out_loss

STDLIB = {"path": "builtin:stdlib", "max_examples": 60}
RECIPES: dict[str, dict[str, Any]] = {
    "domain-sft": {"kind": "qa-pairs", "recipe": {"name": "closed-book"}},
    "rag-aware-sft": {"kind": "qa-pairs", "recipe": {"name": "rag-aware", "passage_characters": 60}},
    "raft": {"kind": "qa-pairs", "recipe": {"name": "raft", "distractors": 1, "passage_characters": 60}},
    "multilingual-cpt": {"kind": "parallel", "recipe": {"name": "target-language", "language": "de"}},
    "cross-lingual-peft": {"kind": "parallel", "recipe": {"name": "both-languages", "language": "de"}},
    "function-calling-sft": {"kind": "tool-calls"},
}


@pytest.mark.parametrize("technique", RECIPES)
def test_a_recipe_is_learnt(
    technique: str, config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Training on the examples of a recipe lowers the loss of held-out examples of the same recipe."""
    data = {**STDLIB, **RECIPES[technique]}
    settings = config(data=data, max_steps=24, seq_len=512, micro_batch=4, learning_rate=2e-2)
    before = _loss(settings, inputs.path("model"))
    finetune.run(settings, inputs, tmp_path / "out", listener)
    assert _loss(settings, inputs.path("model"), str(tmp_path / "out")) < before - 0.05


def _loss(settings: Config, model: str, adapter: str | None = None) -> float:
    return held_out_loss(settings, model, adapter, seq_len=512)


def test_the_second_phase_goes_on_from_the_first(
    config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """After a corpus, examples: the second phase trains the first one's weights, and is better at them than before."""
    corpus = config(method="full", data={**STDLIB, "kind": "text"}, max_steps=8, seq_len=96)
    finetune.run(corpus, inputs, tmp_path / "corpus", listener)
    roles = {"model": Input(kind="causal-lm", path=str(tmp_path / "corpus"))}
    second = inputs.model_copy(update={"roles": roles, "scratch": str(tmp_path / "scratch2")})
    examples = config(method="full", max_steps=8)
    finetune.run(examples, second, tmp_path / "examples", listener)
    first, last = (held_out_loss(examples, str(tmp_path / name)) for name in ("corpus", "examples"))
    assert last < first - 0.5
    assert held_out_loss(corpus, str(tmp_path / "corpus")) < held_out_loss(corpus, inputs.path("model"))
