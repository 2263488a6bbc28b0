"""advisor/runs/measurements.py: what finished steps cost, kept once and read as corrections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from advisor.domain.estimate import Basis, Range, StepEstimate
from advisor.domain.measurement import Measurement, settings_digest
from advisor.domain.plan import Plan
from advisor.domain.profiles import CpuProfile, HardwareProfile
from advisor.engine.estimate.constants import FORMULAS
from advisor.files import dump_yaml, read_answers, read_plan
from advisor.probe.calibration import identity
from advisor.probe.hardware import probe_hardware
from advisor.runs.advise import advise, experienced, plan_of
from advisor.runs.measurements import FILE, MOST_LINES, corrections, read_measurements, remember
from advisor.runs.prepare import prepare
from advisor.runs.report import write_report
from advisor.runs.state import load_state
from tests.toy_runs import make_plan, make_run, supervise

HERE = "this machine"


def line(**change: Any) -> Measurement:
    """A training that took twice the predicted time and 1.5 times the memory."""
    values: dict[str, Any] = {
        "machine": HERE,
        "run": "1",
        "technique": "lora",
        "family": "finetune",
        "method": "lora",
        "version": FORMULAS,
        "tokens": 1000.0,
        "predicted": {"seconds": 100.0, "ram_gib": 2.0},
        "measured": {"seconds": 200.0, "ram_gib": 3.0},
    }
    return Measurement.model_validate({**values, **change})


def took(seconds: float) -> Measurement:
    return line(measured={"seconds": seconds})


def of(found: list[Measurement], calibration: str = "") -> dict[tuple[str, str], tuple[float, int]]:
    return {(c.scope, c.quantity): (c.ratio, c.runs) for c in corrections(found, HERE, calibration)}


def predicted(plan: Plan, machine: str, factor: float = 1.0) -> Plan:
    """The plan with an estimate of its first step: 0.1 seconds by the formulas, corrected by `factor`."""
    step = plan.steps[0]
    digest = settings_digest(step.config, plan.model.path)
    basis = Basis(
        version=FORMULAS, method="lora", machine=machine, settings=digest, factors={"seconds": factor} if factor else {}
    )
    seconds = Range(low=0.05 * factor, expected=0.1 * factor, high=0.2 * factor)
    first = step.model_copy(update={"estimate": StepEstimate(seconds=seconds, basis=basis)})
    return plan.model_copy(update={"steps": (first, *plan.steps[1:])})


def test_one_run_corrects_time_two_correct_memory() -> None:
    """Time is corrected from the first run on, for its method and its family; memory from the second, by method."""
    assert of([line()]) == {("lora", "seconds"): (2.0, 1), ("finetune", "seconds"): (2.0, 1)}
    assert of([line(), line(run="2")])[("lora", "ram_gib")] == (1.5, 2)
    assert ("finetune", "ram_gib") not in of([line(), line(run="2")])


def test_the_median_is_not_moved_by_an_outlier() -> None:
    """One odd run among several changes nothing; the newest runs weigh most."""
    assert of([took(80), took(82), took(900), took(81)])[("lora", "seconds")] == (0.81, 4)
    assert of([*[took(50)] * 3, *[took(200)] * 4])[("lora", "seconds")] == (2.0, 7)


def test_absurd_ratios_are_clamped() -> None:
    """A run that took a thousand times as long, or used no memory to speak of, moves estimates only so far."""
    found = of([line(measured={"seconds": 1e5, "ram_gib": 0.01})] * 2)
    assert found[("lora", "seconds")] == (10.0, 2)
    assert found[("lora", "ram_gib")] == (0.7, 2)


@pytest.mark.parametrize(
    "change",
    [{"machine": "another"}, {"version": FORMULAS - 1}, {"predicted": {"seconds": 0.0}}, {"measured": {}}],
)
def test_what_is_not_comparable_does_not_count(change: dict[str, Any]) -> None:
    """Another machine, older formulas, and figures that are missing correct nothing."""
    assert of([line(**change)] * 3) == {}


def test_time_counts_under_the_same_calibration_only() -> None:
    """A time predicted before the machine was calibrated says nothing of one predicted after; memory does."""
    found = of([line(), line(run="2")], calibration="abc")
    assert set(found) == {("lora", "ram_gib")}


def test_a_training_that_only_started_tells_no_speed() -> None:
    """A training predicted to take less than twice its start-up is left out; a merge is as long as it is."""
    short = {"seconds": 30.0}
    assert of([line(predicted=short)]) == {}
    assert of([line(predicted=short, tokens=0.0, method="merge", family="merge")])[("merge", "seconds")][1] == 1


def test_a_finished_run_is_remembered_once(tmp_path: Path) -> None:
    """Writing a report remembers the finished step as the formulas predicted it; writing it again adds nothing, and
    advice on this machine then knows of it."""
    hardware = probe_hardware()
    run = make_run(tmp_path / "run", predicted(make_plan({}, {}), identity(hardware), factor=2.0))
    assert supervise(run)[0] == 0
    write_report(run)
    write_report(run)
    (found,) = read_measurements()
    assert (found.technique, found.method, found.family) == ("lora", "lora", "finetune")
    assert found.predicted == {"seconds": 0.1} and 0 < found.measured["seconds"] < 60
    known = experienced(hardware)
    assert known.identity == found.machine
    assert {(c.scope, c.quantity, c.runs) for c in known.corrections} == {
        ("lora", "seconds", 1),
        ("finetune", "seconds", 1),
    }


@pytest.mark.parametrize("case", ["failed", "elsewhere", "simulated", "edited", "no estimate", "several machines"])
def test_what_says_nothing_of_this_machine_is_not_written(tmp_path: Path, case: str) -> None:
    """A step that failed, was planned for another or a simulated machine, was edited since, or was shared by several
    machines, which wait for each other, leaves no line."""
    here = identity(probe_hardware())
    plan = predicted(make_plan({"end": "memory"} if case == "failed" else {}), here)
    if case in ("elsewhere", "simulated"):
        plan = predicted(make_plan({}), "another machine" if case == "elsewhere" else "")
    if case == "edited":
        plan = plan.model_copy(update={"steps": (plan.steps[0].model_copy(update={"config": {"loss": 0.5}}),)})
    if case == "several machines":
        plan = predicted(make_plan({"machines": 2}), here)
    if case == "no estimate":
        plan = make_plan({})
    run = make_run(tmp_path / "run", plan)
    supervise(run)
    write_report(run)
    assert read_measurements() == ()


def test_torn_lines_are_passed_over(private_home: Path, tmp_path: Path) -> None:
    """Half a line at the end, or nonsense between, costs only itself, and the next line does not stick to it."""
    path = private_home / "technique-advisor" / FILE
    path.parent.mkdir(parents=True)
    whole = line().model_dump_json(by_alias=True)
    path.write_text(f"{whole}\nnonsense\n\xff\n{whole[:50]}")
    assert len(read_measurements()) == 1
    run = make_run(tmp_path / "run", predicted(make_plan({}), HERE))
    assert supervise(run)[0] == 0
    plan = predicted(make_plan({}), HERE)
    assert remember(plan, load_state(run), 1.0, HERE) == 1
    assert remember(plan, load_state(run), 1.0, HERE) == 0
    assert remember(plan, load_state(run), 2.0, HERE) == 1
    assert len(read_measurements()) == 3


def test_the_file_stays_small(private_home: Path, tmp_path: Path) -> None:
    """Beyond the bound the older half goes and the newest stays."""
    path = private_home / "technique-advisor" / FILE
    path.parent.mkdir(parents=True)
    path.write_text("".join(line(run=str(n)).model_dump_json(by_alias=True) + "\n" for n in range(MOST_LINES)))
    run = make_run(tmp_path / "run", predicted(make_plan({}), HERE))
    assert supervise(run)[0] == 0
    assert remember(predicted(make_plan({}), HERE), load_state(run), 1.0, HERE) == 1
    found = read_measurements()
    assert len(found) == MOST_LINES // 2 + 1
    assert found[-2].run == str(MOST_LINES - 1)


def test_a_home_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the data folder is a file, the report is written all the same."""
    run = make_run(tmp_path / "run", predicted(make_plan({}), identity(probe_hardware())))
    assert supervise(run)[0] == 0
    (tmp_path / "data").write_text("not a folder")
    write_report(run)
    assert (run / "report.md").exists() and read_measurements() == ()


def test_the_same_file_gives_the_same_corrections() -> None:
    """Order of scopes and figures follows from the lines alone."""
    found = [took(80), line(run="2"), line(method="merge", family="merge", tokens=0.0)]
    assert corrections(found, HERE, "") == corrections(list(found), HERE, "")
    assert [c.scope for c in corrections(found, HERE, "")] == sorted(c.scope for c in corrections(found, HERE, ""))


def test_digest_names_settings_not_folders() -> None:
    """The digest of a step stays when a run makes paths absolute, and changes with any setting or the model."""
    config = {"max_steps": 60, "data": {"path": "rows.jsonl", "kind": "text"}}
    absolute = {"data": {"kind": "text", "path": "/some/where/rows.jsonl"}, "max_steps": 60}
    assert settings_digest(config, "models/a") == settings_digest(absolute, "/models/a")
    assert settings_digest({**config, "max_steps": 61}, "a") != settings_digest(config, "a")
    assert settings_digest(config, "b") != settings_digest(config, "a")


def test_the_plan_of_an_answers_file_is_measured_as_it_was_predicted(tmp_path: Path) -> None:
    """From answers to the plan in a run's folder, the mark of what was predicted survives; an edit breaks it."""
    plan = plan_of(advise(read_answers("trees/answers/smollm2-stdlib.yaml")))
    path = tmp_path / "plan.yaml"
    path.write_text(dump_yaml(prepare(plan, tmp_path).plan))
    written = read_plan(str(path))
    assert len(written.steps) == 3
    for step in written.steps:
        basis = step.estimate.basis
        assert basis is not None and basis.machine == identity(probe_hardware())
        assert basis.settings == settings_digest(step.config, written.model.path)
        assert basis.settings != settings_digest({**step.config, "max_steps": 7}, written.model.path)


def test_hardware_without_experience_is_plain() -> None:
    """A machine nobody measured has an identity, and neither calibration nor corrections."""
    found = experienced(HardwareProfile(cpu=CpuProfile(name="never seen", cores=3)))
    assert found.identity and found.calibration is None and found.corrections == ()
