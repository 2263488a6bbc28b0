"""Knowledge by training: each technique planned from answers, run on the built-in model, measured on held-out data.

Short runs that show the direction, not what a technique can reach. Runs are kept below the folder named by
ADVISOR_BENCH_RUNS, and one that has ended there is not done again. ADVISOR_BENCH_CASES names the techniques to run, by
commas; without it all are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

MODEL = {"id": "builtin:smollm2-135m-instruct", "params_b": 0.135, "kind": "instruct"}
TEXT: dict[str, Any] = {"kind": "text", "seq_len": 192}
QA: dict[str, Any] = {"kind": "qa-pairs", "seq_len": 448}
PAIRS: dict[str, Any] = {"kind": "parallel", "seq_len": 192, "language": "de"}
GENERAL = {"general": {"path": "builtin:reference", "kind": "text"}}
CASES: dict[str, dict[str, Any]] = {
    "cpt-on-instruct": {"data": {**TEXT, **GENERAL}},
    "raft": {"data": QA},
    "cpt-then-instruct": {"data": TEXT, "model": {**MODEL, "kind": "base"}},
    "multilingual-cpt": {"data": {**PAIRS, **GENERAL}},
    "cross-lingual-peft": {"data": PAIRS},
    "domain-sft": {"data": {**QA, "seq_len": 128}},
    "rag-aware-sft": {"data": {**QA, "seq_len": 256}},
    "translation-augmentation": {"data": PAIRS},
    "cpt": {"data": TEXT},
    "function-calling-sft": {"data": {"kind": "tool-calls", "seq_len": 320}},
    "temporal-tagging": {"data": {**TEXT, "cutoff": "2024-10"}, "use": ["temporal-tagging", "recent-cpt"]},
    "cpt-then-sft": {"data": TEXT},
    "dapt": {"data": TEXT},
    "recent-cpt": {"data": TEXT},
}
STEPS, BATCH, ROWS, CALLS, FOLLOWING = 8, 4, 24, 24, 10
LONGER = {"function-calling-sft": 24}
"""Steps of those whose measure is whole answers: they turn right later than the loss falls."""
TABLE = ("technique", "measure", "before", "after", "change with its 95 % interval")


def run() -> None:
    """Print what each technique did to its own measure, and to what it may cost."""
    others = ", ".join(f"{number} for {name}" for name, number in LONGER.items())
    print(f"{STEPS} steps of {BATCH} rows each ({others}); {ROWS} held-out rows, the same before and after.\n")
    print("| " + " | ".join(TABLE) + " |")
    print("| --- " * len(TABLE) + "|")
    kept = os.environ.get("ADVISOR_BENCH_RUNS")
    with tempfile.TemporaryDirectory() as place:
        chosen = os.environ.get("ADVISOR_BENCH_CASES", "").split(",")
        for name, case in ((name, case) for name, case in CASES.items() if chosen == [""] or name in chosen):
            report = _report(name, case, Path(kept or place) / name)
            for row in _rows(name, report):
                print("| " + " | ".join(row) + " |", flush=True)


def _report(name: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The report of the run of one case; the run is made if it is not there yet."""
    file = folder / "report.json"
    if not file.is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        plan = folder.with_suffix(".plan.json")
        plan.write_text(json.dumps(_plan(name, case)))
        command = [sys.executable, "-m", "advisor", "run", str(plan), "--run-dir", str(folder)]
        subprocess.run(command, check=True, stdout=sys.stderr)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def _plan(name: str, case: dict[str, Any]) -> dict[str, Any]:
    """The plan that the answers give, made short."""
    from advisor.domain.answers import Answers
    from advisor.runs.advise import advise, plan_of

    data = {"path": "builtin:stdlib", **case["data"]}
    answers = {"goal": "expand-knowledge", "model": MODEL, "use": [name], **case, "data": data}
    plan: dict[str, Any] = plan_of(advise(Answers.model_validate(answers))).model_dump(mode="json", by_alias=True)
    for step in plan["steps"]:
        if step["executor"] == "finetune":
            rate = 2e-4 if step["config"].get("method") == "full" else 1e-3
            step["config"] |= {
                "max_steps": LONGER.get(name, STEPS),
                "micro_batch": BATCH,
                "accumulation": 1,
                "learning_rate": rate,
            }
        step["estimate"], step["max_regression"] = {}, None
    measured = plan["evaluation"]["config"]
    measured |= {"max_examples": ROWS, "multiple_choice": 0, "generate_tokens": 0, "answers": 0}
    measured |= {key: number for key, number in (("tool_calls", CALLS), ("following", FOLLOWING)) if measured.get(key)}
    return plan


def _rows(name: str, report: dict[str, Any]) -> list[tuple[str, ...]]:
    """One line per metric that is paired, of the last step that was measured."""
    measured = [step for step in report["steps"] if step["number"] and step["metrics"]]
    if not measured:
        return [(name, "nothing was measured", "", "", "")]
    rows = []
    for found in measured[-1]["against_baseline"]:
        if not found["is_paired"] or found["metric"] == "held_out_perplexity":
            continue
        change = found["difference"]
        scale, unit = (100.0, " %") if found["is_relative"] else (100.0, " points")
        low, middle, high = (change[key] * scale for key in ("low", "expected", "high"))
        said = f"{middle:+.1f} [{low:+.1f} to {high:+.1f}]{unit}"
        before, after = f"{found['before']:.4g}", f"{found['after']:.4g}"
        rows.append((name if not rows else "", found["metric"].replace("_", " "), before, after, said))
    return rows
