"""Tests of advisor.report.parity."""

from __future__ import annotations

import json
from pathlib import Path

from advisor.domain.parity import Greedy, ParityRecord
from advisor.domain.run import Artifact, StepState
from advisor.domain.run_report import RunReport, StepReport
from advisor.report.run import render_run
from advisor.runs.report import read_parity

RECORD = ParityRecord(
    against="smollm2", kl=0.0123, kl_limit=0.3, top1=0.94, top1_limit=0.75, max_difference=1.5, tokens=99,
    greedy=(Greedy(prompt="The capital of", text=" France is", same=2, tokens=2),
            Greedy(prompt="def mean", text="(values):", same=1, tokens=4)),
    template="same", end="differs",
)  # fmt: skip


def _report(parity: ParityRecord | None) -> RunReport:
    step = StepReport(number=1, technique="gguf", status="done", parity=parity)
    return RunReport(name="r", status="done", steps=(step,))


def test_every_form_of_the_report_shows_it() -> None:
    """Text, Markdown and HTML tell divergence, first choices, greedy text, template and end; JSON has the record."""
    for form in ("text", "markdown", "html"):
        text = render_run(_report(RECORD), form)
        for word in ("Parity", "0.0123", "94.0%", "50%", "differs", "smollm2", "the same for 1 of 4 tokens"):
            assert word in text, (form, word)
    found = json.loads(render_run(_report(RECORD), "json"))["steps"][0]["parity"]
    assert ParityRecord.model_validate(found) == RECORD


def test_nothing_is_shown_where_nothing_was_compared() -> None:
    """A run without such an artifact has no such section."""
    assert "Parity" not in render_run(_report(None), "text")


def test_it_is_read_from_the_artifact(tmp_path: Path) -> None:
    """From a folder, or beside a file; a damaged or missing record is none."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "parity.json").write_text(RECORD.model_dump_json())
    for path in ("out", "out/model-Q8_0.gguf"):
        (tmp_path / "out" / "model-Q8_0.gguf").touch()
        assert read_parity(tmp_path, StepState(number=1, artifacts=(Artifact(kind="gguf", path=path),))) == RECORD
    (tmp_path / "out" / "parity.json").write_text("{")
    assert read_parity(tmp_path, StepState(number=1, artifacts=(Artifact(kind="gguf", path="out"),))) is None
    assert read_parity(tmp_path, StepState(number=1)) is None
