"""How far estimated training times lie from published ones: `python -m tests.bench.time_error`.

Rows: `tests/data/speed.json`, seconds of one micro batch on one GPU. The rates are those of `constants`, whose sources
name the tables they were read from, so this is a check of the form, not a held-out figure.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

from advisor.domain.facts import Facts
from advisor.engine.estimate.duration import Passes, micro_batch_seconds
from advisor.engine.estimate.methods import method_of
from advisor.engine.gpus import match
from advisor.knowledge import load_knowledge

DATA = Path(__file__).parents[1] / "data" / "speed.json"


class Timed(NamedTuple):
    """One comparison, seconds of a micro batch."""

    id: str
    what: str
    expected: float
    measured: float
    is_compiled: bool

    @property
    def factor(self) -> float:
        """Expected over measured."""
        return self.expected / self.measured


def compare() -> list[Timed]:
    """Every row against its estimate."""
    catalog = load_knowledge().catalog
    shapes = {name: entry.shape for entry in catalog.models for name in entry.ids}
    rows = []
    for row in json.loads(DATA.read_text(encoding="utf-8"))["rows"]:
        gpu = match(row["gpu"], None, catalog.gpus)
        assert gpu is not None, row["gpu"]
        rates: dict[str, Any] = {"gpu_tflops_bf16": gpu.tflops["bf16"], "gpu_bandwidth_gbs": gpu.bandwidth_gbs}
        passes = Passes(row["tokens"], row["length"], row.get("recomputes", False))
        facts = Facts(goal="optimize", has_gpu=True, **rates)
        found = micro_batch_seconds(shapes[row["model"]], method_of(row["method"])[0], facts, passes)
        what = f"{row['method']} {row['model'].rsplit('/', 1)[-1]}, {row['tokens']} tokens, {row['gpu']}"
        rows.append(Timed(row["id"], what, found, row["seconds"], row.get("compiled", False)))
    return rows


def run() -> None:
    """The table."""
    rows = compare()
    lines = ["| micro batch | expected | published | factor |", "| --- | --- | --- | --- |"]
    for row in rows:
        compiled = " (compiled)" if row.is_compiled else ""
        lines.append(f"| {row.what}{compiled} | {row.expected:.3f} s | {row.measured:.3f} s | {row.factor:.2f} |")
    errors = [max(row.factor, 1 / row.factor) for row in rows]
    lines += ["", f"Median factor {statistics.median(errors):.2f}, largest {max(errors):.2f}, over {len(rows)} rows."]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    run()
