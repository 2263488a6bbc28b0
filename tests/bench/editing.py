"""Ten facts written into SmolLM2-135M: efficacy, paraphrase and locality before and after, by MEMIT and by ROME.

The facts are `tests/data/facts-test.jsonl`; the defaults of the executor were chosen on ten others,
`tests/data/facts.jsonl`, and not changed afterwards. `FACTS` names another file, `EDITING` one method. Efficacy and
paraphrase: every token of the new target is the likeliest at its place. Locality: the likeliest next token of thirty
prompts about other subjects stays what it was; beside it the same for three tokens. Perplexity is that of the built-in
held-out answers. Two threads.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.child import in_process

MODEL = "builtin:smollm2-135m-instruct"
FACTS = os.environ.get("FACTS", "tests/data/facts-test.jsonl")
CASES: dict[str, dict[str, Any]] = {"memit": {"method": "memit"}, "rome": {"method": "rome"}}
EVALUATION = {
    "data": {"path": "builtin:stdlib", "kind": "instructions"}, "max_examples": 64, "multiple_choice": 0,
    "generate_tokens": 0,
}  # fmt: skip


def run() -> None:
    """Print one row per method."""
    print("| method | layers | facts | efficacy | paraphrase | locality | of three tokens | perplexity |")
    print("| --- " * 8 + "|")
    with tempfile.TemporaryDirectory() as place:
        before: dict[str, Any] | None = None
        for name, settings in CASES.items():
            if name not in os.environ.get("EDITING", name):
                continue
            out = Path(place) / name
            in_process("edit", {"facts": {"path": FACTS}, **settings}, {"model": MODEL}, "causal-lm", out)
            about = json.loads((out / "edits.json").read_text())
            if before is None:
                before = about["before"]
                print(_row("before", [], about, before, _perplexity(MODEL)))
            print(_row(name, about["layers"], about, about["after"], _perplexity(str(out))), flush=True)


def _row(
    name: str,
    layers: list[int],
    about: dict[str, Any],
    figures: dict[str, Any],
    perplexity: float,
) -> str:
    said = [f"{100 * figures[key]:.0f} %" for key in ("efficacy", "paraphrase", "locality", "locality_of_three")]
    where = ", ".join(map(str, layers)) or "-"
    return f"| {name} | {where} | {len(about['facts'])} | {' | '.join(said)} | {perplexity:.2f} |"


def _perplexity(path: str) -> float:
    with tempfile.TemporaryDirectory() as place:
        return in_process("evaluate", EVALUATION, {"model": path}, "causal-lm", Path(place))["held_out_perplexity"]
