"""What runs on this machine measured of pairs of families: the effect of the second step on what the first one left.

Read from the reports of the newest runs. Neighbours only: what lies between two steps would be measured with them. A
prompt or an index stands beside the model, and so does data: the step after it starts from the model before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from advisor.domain.run_report import Comparison, RunReport, StepReport
from advisor.domain.technique import Technique
from advisor.domain.words import BESIDE, MEASURED, Family
from advisor.runs.report import JSON

NEWEST = 40
"""Runs that are looked at."""
MOST_BYTES = 4 << 20
"""A larger report is no report."""
METRICS = ("held_out_loss", "accuracy")
"""The effect is told by the first of them that the second step was compared by."""


class PairMeasured(NamedTuple):
    """One run's effect of doing `then` after `first`, both techniques."""

    first: str
    then: str
    run: str
    effect: Comparison


Pairs = dict[tuple[Family, Family], tuple[PairMeasured, ...]]


def measured_pairs(techniques: Mapping[str, Technique], root: Path | None = None) -> Pairs:
    """By family pair, what was measured of it, the newest run first. Runs that cannot be read are passed over."""
    from advisor.runs.catalogue import list_runs

    found: Pairs = {}
    for run in list_runs(root)[:NEWEST]:
        report = _read(Path(run.folder) / JSON)
        for each in _pairs_of(report, techniques) if report is not None else ():
            first, then = techniques.get(each.first), techniques.get(each.then)
            if first is not None and then is not None:
                key = (first.family, then.family)
                found[key] = (*found.get(key, ()), each)
    return found


def _pairs_of(report: RunReport, techniques: Mapping[str, Technique]) -> Iterator[PairMeasured]:
    """Each step that was measured, with the one before it that left what it started from."""
    before: StepReport | None = None
    for step in report.steps:
        if step.number == 0 or step.status != "done":
            continue
        by_name = {each.metric: each for each in step.against_previous if each.difference is not None}
        effect = next((by_name[name] for name in METRICS if name in by_name), None)
        if effect is not None and before is not None:
            yield PairMeasured(before.technique, step.technique, report.name, effect)
        if _leaves_model(step, techniques):
            # The effect of one that was not measured would be counted with the next.
            before = step if step.against_previous else None


def _leaves_model(step: StepReport, techniques: Mapping[str, Technique]) -> bool:
    """Whether the steps after it start from what it left."""
    technique = techniques.get(step.technique)
    kind = step.artifacts[-1].kind if step.artifacts else technique.produces if technique is not None else None
    return kind in MEASURED - BESIDE


def _read(path: Path) -> RunReport | None:
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        return RunReport.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
