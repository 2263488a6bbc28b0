"""Writes a prepared data set: both sides as JSON Lines, and a report of what was done."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.plan import DataSpec
from executors.data.records import to_record
from executors.datasets import load_records
from executors.datasets.rows import Record
from executors.protocol import Inputs, Machine, Say

TRAIN, HELD_OUT, REPORT = "train.jsonl", "held-out.jsonl", "report.json"


class DataConfig(Frozen):
    """What every preparation of data is told."""

    data: DataSpec
    max_rows: int | None = Field(default=None, ge=1)
    """Rows of the training side that are read at most."""


def sides(config: DataConfig) -> tuple[list[Record], list[Record]]:
    """The training and the held-out rows as they stand. Raises AdvisorError (exit 2) for unusable data."""
    train, held_out = load_records(config.data, "train"), load_records(config.data, "held-out")
    return list(train[: config.max_rows]), list(held_out)


def check(config: DataConfig, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """Data that cannot be read; the rows that are passed over."""
    from executors.training.preflight import passed_over

    try:
        sides(config)
    except AdvisorError as error:
        text, because, hint = error.what, error.why, error.hint
        return [Diagnostic(severity=Severity.DANGER, code="data", text=text, because=because, hint=hint)]
    return passed_over(config.data)


def write_sides(
    out: Path, train: Sequence[Record], held_out: Sequence[Record], report: dict[str, Any], say: Say
) -> None:
    """Write both sides and the report below `out`, and say its numbers. Raises AdvisorError when a side is empty."""
    if not train:
        raise AdvisorError("nothing is left to learn from", why="every row was removed", hint="see the settings")
    write_lines(out / TRAIN, map(to_record, train))
    write_lines(out / HELD_OUT, map(to_record, held_out))
    write_report(out, report, say)


def write_lines(file: Path, records: Iterable[dict[str, Any]]) -> None:
    """One JSON object per line."""
    with file.open("w", encoding="utf-8") as stream:
        for record in records:
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_report(out: Path, report: dict[str, Any], say: Say) -> None:
    """`report.json`; every number of it is a metric too."""
    (out / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, value in report.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            say.metric(name, value, "share" if name.endswith("share") else "rows")
