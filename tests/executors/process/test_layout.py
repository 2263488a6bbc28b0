"""What an evaluation is given."""

from __future__ import annotations

from pathlib import Path

from advisor.domain.plan import Plan
from advisor.domain.run_record import Run
from executors.process.layout import Layout

STEPS = [
    ("lora", "finetune", {"model": "base"}, "adapter"),
    ("basic-rag", "retrieve", {"model": "base", "adapter": "1"}, "index"),
    ("few-shot", "prompt", {"model": "base", "adapter": "1", "index": "2"}, "prompt"),
]


def test_what_stands_beside_the_model_is_measured_with_it(tmp_path: Path) -> None:
    """Index and prompt are measured with the model, adapter and index of their step; a model step with itself alone."""
    keys = ("technique", "family", "inputs", "produces")
    steps = [
        {"number": number, "executor": step[1], **dict(zip(keys, step, strict=True))}
        for number, step in enumerate(STEPS, 1)
    ]
    model = {"kind": "causal-lm", "path": "builtin:smollm2-135m-instruct"}
    plan = Plan.model_validate({"name": "x", "model": model, "steps": steps})
    layout = Layout(tmp_path, plan, Run(), "executors")
    roles = [sorted(layout.evaluation_request(step).inputs.roles) for step in (None, *plan.steps)]
    assert roles == [
        ["model"],
        ["adapter", "model"],
        ["adapter", "index", "model"],
        ["adapter", "index", "model", "prompt"],
    ]
