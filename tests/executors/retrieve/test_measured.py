"""Questions measured with an index and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from advisor.domain.run import Evaluation
from executors import evaluate
from executors.protocol import Input, Inputs


def test_an_index_is_measured_beside_the_model(
    towns: Path, make_index: Callable[..., Path], tiny_model: Path, tmp_path: Path, listener: Any
) -> None:
    """With an index only questions are asked, with recall and groundedness; without one the model answers alone."""
    data = {"path": str(towns), "kind": "documents", "held_out": 0.9}
    index = make_index(towns, search={"by": "keyword", "rewrite": "hyde", "k": 2})
    told = {"data": data, "questions": 4, "answer_tokens": 4}
    roles = {"model": Input(kind="causal-lm", path=str(tiny_model)), "index": Input(kind="index", path=str(index))}
    evaluate.run(evaluate.Config.model_validate(told), Inputs(roles=roles), tmp_path, listener)
    found = Evaluation.model_validate_json((tmp_path / "evaluation.json").read_bytes())
    assert {"answer_accuracy", "recall_at_5", "mean_reciprocal_rank", "groundedness"} <= {m.name for m in found.metrics}
    assert found.value("recall_at_5") == 1.0
    assert "held_out_loss" not in found.per_example
    assert len(found.per_example["answer_accuracy"]) == len(found.per_example["groundedness"]) > 0
