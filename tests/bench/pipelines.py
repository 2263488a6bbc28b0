"""The pipelines by name, each from one answers file on the built-in model: loss, accuracy and size after each step.

Intervals are 95 %, paired bootstrap over the held-out rows, against the step before. Each pipeline runs in
`$PIPELINES/NAME`, or in a temporary folder; one that is there already is only reported. Minutes are those of the run,
on a machine that may have done other things beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

NAMES = ("compress-max", "prune-quantize", "distill-quantize", "prune-distill-quantize")


def run() -> None:
    """Run what has not ended yet, one after the other, and print a table of each."""
    with tempfile.TemporaryDirectory() as place:
        runs = Path(os.environ.get("PIPELINES", place))
        # A folder that is given says which are wanted by what lies in it.
        wanted = [name for name in NAMES if "PIPELINES" not in os.environ or (runs / name).is_dir()]
        for name in wanted:
            if not (runs / name / "run.json").is_file():
                _advisor("run", f"trees/answers/{name}.yaml", "--run-dir", str(runs / name))
            _print(name, json.loads(_advisor("report", str(runs / name), "--format", "json")))
        if len(wanted) < len(NAMES):
            print(f"\nNot run here: {', '.join(name for name in NAMES if name not in wanted)}.")


def _print(name: str, report: dict[str, Any]) -> None:
    minutes = float(report["seconds"]) / 60
    print(f"\n**{name}**: {report['status']}, {minutes:.0f} min\n")
    print("| after | held-out loss | against the step before | accuracy | MB |")
    print("| --- " * 5 + "|")
    for column in columns(report):
        print(f"| {' | '.join(column)} |", flush=True)


def columns(report: dict[str, Any]) -> list[list[str]]:
    """A row of cells for the baseline and for each step of a report that was measured."""
    rows = []
    for step in report["steps"]:
        metrics = {metric["name"]: metric["value"] for metric in step["metrics"]}
        if "held_out_loss" not in metrics:
            continue
        change = next((c for c in step["against_previous"] if c["metric"] == "held_out_loss"), None)
        accuracy = f"{metrics['accuracy']:.0%}" if "accuracy" in metrics else ""
        cells = [f"{step['number']} {step['technique']}", f"{metrics['held_out_loss']:.3f}", _change(change)]
        rows.append([*cells, accuracy, f"{metrics['bytes_on_disk'] / 1e6:.1f}"])
    return rows


def _change(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    spread = found["difference"]
    return f"{spread['expected']:+.1%} [{spread['low']:+.1%} to {spread['high']:+.1%}]"


def _advisor(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "advisor", *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout
