"""What runs measured of pairs."""

from __future__ import annotations

from pathlib import Path

from advisor.domain.estimate import Range
from advisor.domain.run_report import Comparison, RunReport, StepReport
from advisor.domain.words import Family
from advisor.knowledge import load_knowledge
from advisor.runs.measured_pairs import measured_pairs


def step(number: int, technique: str, effect: float | None, status: str = "done") -> StepReport:
    change = [] if effect is None else [loss(effect)]
    return StepReport.model_validate(
        {"number": number, "technique": technique, "status": status, "against_previous": change}
    )


def loss(effect: float) -> Comparison:
    return Comparison(metric="held_out_loss", difference=Range(low=effect, expected=effect, high=effect))


def a_run(root: Path, name: str, *steps: StepReport) -> None:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "plan.yaml").write_text("steps: []\n")
    report = RunReport(
        name=name, status="done", steps=(StepReport(number=0, technique="baseline", status="done"), *steps)
    )
    (folder / "report.json").write_text(report.model_dump_json(by_alias=True))


def test_neighbours_that_were_measured(tmp_path: Path) -> None:
    """Each step against the one before it, by family; what failed or was not compared is no measurement."""
    a_run(tmp_path, "one", step(1, "lora", -0.4), step(2, "adapter-merge", 0.0), step(3, "gguf", 0.01))
    a_run(tmp_path, "two", step(1, "wanda", 0.2), step(2, "lora", None), step(3, "gguf", 0.5, "failed"))
    found = measured_pairs(load_knowledge().by_id, tmp_path)
    assert set(found) == {(Family.FINETUNE, Family.MERGE), (Family.MERGE, Family.QUANTIZE)}
    (pair,) = found[Family.MERGE, Family.QUANTIZE]
    assert (pair.first, pair.then, pair.run) == ("adapter-merge", "gguf", "one")
    assert pair.effect.difference is not None and pair.effect.difference.expected == 0.01


def test_the_first_step_left_what_the_second_started_from(tmp_path: Path) -> None:
    """A prompt or an index is followed by no pair, the model before it is; an unmeasured model ends the row."""
    a_run(tmp_path, "prompt", step(1, "system-prompt", 0.0), step(2, "lora", -0.4))
    a_run(tmp_path, "index", step(1, "full-sft", -0.3), step(2, "basic-rag", 0.0), step(3, "gguf", 0.02))
    a_run(tmp_path, "gap", step(1, "wanda", 0.2), step(2, "lora", None), step(3, "adapter-merge", -0.4))
    found = measured_pairs(load_knowledge().by_id, tmp_path)
    names = {(pair.first, pair.then) for pairs in found.values() for pair in pairs}
    assert names == {("full-sft", "basic-rag"), ("full-sft", "gguf")}


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """Torn reports, foreign files and unknown techniques are no measurements and no faults."""
    a_run(tmp_path, "unknown", step(1, "no-such-technique", 0.1), step(2, "gguf", 0.1))
    a_run(tmp_path, "torn", step(1, "lora", 0.1), step(2, "gguf", 0.1))
    (tmp_path / "torn" / "report.json").write_text('{"schema": 1, "na')
    assert measured_pairs(load_knowledge().by_id, tmp_path) == {}
    assert measured_pairs(load_knowledge().by_id, tmp_path / "missing") == {}
