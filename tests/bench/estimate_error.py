"""How far estimated peaks lie from published ones: `python -m tests.bench.estimate_error [--rows]`.

The rows stand in `tests/data/memory.json`, each with the request it is compared with; nothing is fitted here. The
operations counted were derived from framework code while looking at the groups of DEVELOPED; for the others no count
was changed (docs/estimates.md says how far that split is blind).
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

from advisor.domain.estimate import EstimateRequest
from advisor.engine.estimate import estimate
from advisor.knowledge import load_knowledge

DATA = Path(__file__).parents[1] / "data" / "memory.json"
DEVELOPED = ("litgpt-train", "litgpt-fsdp", "litgpt-inference", "peft-suite")
GB_SHARE = 1e9 / 2**30
"""What a GB is of a GiB: where a source wrote GB the true figure may be this much lower."""


class Row(NamedTuple):
    """One comparison in GiB. `measured` None: it ran out of memory."""

    id: str
    group: str
    model: str
    expected: float
    low: float
    high: float
    measured: float | None
    device: float | None
    is_gb: bool = False

    @property
    def is_inside(self) -> bool:
        """Whether the published figure lies in the range; one given in GB may be anything down to 6.9 % less in GiB."""
        assert self.measured is not None
        least = self.measured * (GB_SHARE if self.is_gb else 1.0)
        return least <= self.high and self.measured >= self.low

    @property
    def error(self) -> float:
        """Relative to the published figure."""
        assert self.measured is not None
        return self.expected / self.measured - 1

    @property
    def is_judged_right(self) -> bool | None:
        """Whether "fits" agrees with what happened; None when the device's memory is not known."""
        if self.device is None:
            return None
        return (self.expected <= self.device) == (self.measured is not None)


def compare() -> list[Row]:
    """Every row of the data file against its estimate."""
    shapes = {name: entry.shape for entry in load_knowledge().catalog.models for name in entry.ids}
    rows = []
    for entry in json.loads(DATA.read_text(encoding="utf-8"))["rows"]:
        request = dict(entry["request"])
        if "model" in entry:
            request["shape"] = shapes[entry["model"]]
        peak = estimate(EstimateRequest.model_validate(request)).peak_gib
        name = entry.get("model") or request["shape"]["name"]
        known = entry["gib"], entry.get("device_gib"), entry["gib_is_gb"]
        rows.append(Row(entry["id"], entry["group"], name, *_three(peak), *known))
    return rows


def _three(peak: Any) -> tuple[float, float, float]:
    return peak.expected, peak.low, peak.high


def summary(rows: list[Row]) -> dict[str, float]:
    """Median and 90th percentile of the absolute error, share within a quarter, bias, share inside the range."""
    errors = sorted(abs(row.error) for row in rows)
    inside = sum(row.is_inside for row in rows)
    return {
        "rows": len(rows),
        "median": statistics.median(errors),
        "within_25": sum(error <= 0.25 for error in errors) / len(errors),
        "bias": statistics.median(row.error for row in rows),
        "largest": errors[-1],
        "inside": inside / len(rows),
    }


def table(rows: list[Row]) -> str:
    """The figures as Markdown."""
    measured = [row for row in rows if row.measured is not None]
    groups: dict[str, list[Row]] = {group: [] for group in dict.fromkeys(row.group for row in measured)}
    for row in measured:
        groups[row.group].append(row)
    groups["**developed on**"] = [row for row in measured if row.group in DEVELOPED]
    groups["**held out**"] = [row for row in measured if row.group not in DEVELOPED]
    groups["**all**"] = measured
    groups["all without litgpt-fsdp"] = [row for row in measured if row.group != "litgpt-fsdp"]
    lines = ["| rows from | n | median error | within 25 % | bias | largest | inside the range |", "| --- " * 7 + "|"]
    for name, group in groups.items():
        s = summary(group)
        lines.append(
            f"| {name} | {s['rows']} | {s['median']:.1%} | {s['within_25']:.0%} | {s['bias']:+.1%} "
            f"| {s['largest']:.1%} | {s['inside']:.0%} |"
        )
    verdicts = [row.is_judged_right for row in rows if row.is_judged_right is not None]
    lines += ["", f"Fits or not: right in {sum(verdicts)} of {len(verdicts)} ({sum(verdicts) / len(verdicts):.1%})."]
    return "\n".join(lines)


def run() -> None:
    """The table, and with --rows every row."""
    rows = compare()
    if "--rows" in sys.argv:
        for row in rows:
            measured = "OOM" if row.measured is None else f"{row.measured:.2f} {row.error:+.1%}"
            sys.stdout.write(f"{row.id} {row.group:20} {row.model[-28:]:28} {row.expected:7.2f}  {measured}\n")
    sys.stdout.write(table(rows) + "\n")


if __name__ == "__main__":
    run()
