"""Data of the published shapes, from an answers file to what the model sees of it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from advisor.cli.gates import with_gates
from advisor.domain.answers import Answers
from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.plan import DataSpec, Plan
from advisor.domain.words import ArtifactKind
from advisor.probe.data import probe_data
from advisor.runs.advise import Overrides, advise, plan_of
from advisor.runs.prepare import prepare
from executors.data.format import rendered
from executors.datasets import load_records
from executors.protocol import Input, Inputs

BEFORE = "<|im_start|>system\nYou are a tiny model<|im_end|>\n"
ASKED = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n«{}<|im_end|>»\n"
SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "alpaca": ({"instruction": "Add {}", "input": "1 2", "output": "3"}, BEFORE + ASKED.format("Add {}\n\n1 2", "3")),
    "dolly": (
        {"instruction": "Add {}", "context": "one", "response": "3", "category": "qa"},
        BEFORE + ASKED.format("Answer from the passages.\n\n[1] one\n\nQuestion: Add {}", "3"),
    ),
    "openorca": (
        {"system_prompt": "Be kind", "question": "Add {}", "response": "3"},
        "<|im_start|>system\nBe kind<|im_end|>\n" + ASKED.format("Add {}", "3"),
    ),
    "metamath": ({"query": "Add {}", "response": "3", "type": "x"}, BEFORE + ASKED.format("Add {}", "3")),
    "input-output": ({"input": "Add {}", "output": "3"}, BEFORE + ASKED.format("Add {}", "3")),
    "labels": ({"text": "Good {}", "label": 1}, BEFORE + ASKED.format("Good {}", "1")),
    "parts": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Add "}, {"type": "text", "text": "{}"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "3"}]},
            ]
        },
        BEFORE + ASKED.format("Add {}", "3"),
    ),
    "feedback": ({"prompt": "Add {}", "response": "3", "label": True}, BEFORE + ASKED.format("Add {}", "3")),
}


def planned(model: Path, data: Path, technique: str) -> Plan:
    """The plan that the answers of a person with this data give."""
    behavior = "alignment" if technique == "kto" else "task"
    known = {"goal": "change-behavior", "behavior": behavior, "model": {"id": str(model)}, "use": [technique]}
    answers = Answers.model_validate({**known, "data": {"path": str(data)}})
    return plan_of(advise(answers, Overrides(no_gpu=True, ram_gib=16)))


def filled(value: Any, word: str) -> Any:
    """The row with this word in place of each pair of braces."""
    return json.loads(json.dumps(value).replace("{}", word))


@pytest.mark.parametrize("name", SHAPES)
def test_data_of_a_published_shape_is_accepted_and_rendered(name: str, tiny_model: Path, tmp_path: Path) -> None:
    """Advice takes the file, preflight refuses no row, and the model sees question and answer as they stand."""
    row, seen = SHAPES[name]
    data = tmp_path / "rows.jsonl"
    rows = [json.dumps(filled(row, str(n))) for n in range(12)]
    rows = rows if name != "feedback" else [r.replace("true", "false") if n % 2 else r for n, r in enumerate(rows)]
    data.write_text("\n".join(rows))
    plan = planned(tiny_model, data, "kto" if name == "feedback" else "lora")
    assert prepare(plan, tmp_path / "run").plan.steps
    spec = DataSpec.model_validate(plan.steps[0].config["data"])
    inputs = Inputs(roles={"model": Input(kind=ArtifactKind.CAUSAL_LM, path=str(tiny_model))}, seed=0, threads=1)
    samples = rendered(list(load_records(spec, "train")), inputs)
    assert samples
    assert set(samples) <= {filled(seen, str(n)) for n in range(12)}


@pytest.mark.parametrize("how", ["fail", "skip"])
def test_a_torn_array_is_one_unusable_row(how: str, tiny_model: Path, tmp_path: Path) -> None:
    """A JSON array that is cut keeps its rows: `inspect` and a run name the same line and reason, and a run ends with
    exit code 2 unless it may go on without unusable rows."""
    data = tmp_path / "rows.json"
    rows = [{"prompt": f"q{n}", "completion": "a"} for n in range(12)]
    data.write_text(json.dumps(rows, indent=1)[:-30])
    (bad,) = probe_data(data).bad_rows
    said = argparse.Namespace(on_regression=None, max_regression=None, bad_rows=how)
    plan = with_gates(planned(tiny_model, data, "lora"), said)
    if how == "skip":
        told = prepare(plan, tmp_path / "run").diagnostics
        assert [d.because for d in told if d.code == "bad-rows-skipped"] == [f"{data}:{bad.line}: {bad.reason}"]
        return
    with pytest.raises(AdvisorError, match="1 of 12 rows cannot be used") as caught:
        prepare(plan, tmp_path / "run")
    assert caught.value.code == ExitCode.BAD_INPUT
    assert f"{data}:{bad.line}: {bad.reason}" in caught.value.message()
