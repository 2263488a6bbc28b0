"""executors/supervisor.py: a plan run to its end, skipped where it is done, refused where it changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from advisor.domain.event import parse_event
from tests.toy_runs import make_plan, make_run, of_type, processes_of, read_events, start, state_of, supervise, wait_for


def test_runs_the_chain(tmp_path: Path) -> None:
    """The baseline is measured first, then each step is done, announced with its hash, and measured."""
    run = make_run(tmp_path / "run", make_plan({"loss": 1.0}, {"loss": 0.5}))
    assert supervise(run) == (0, "")
    finished = [(e["step"], e["phase"], e["status"]) for e in of_type(run, "step.finished")]
    assert finished == [(0, "evaluate", "done")] + [(n, p, "done") for n in (1, 2) for p in ("work", "evaluate")]
    assert [e["metrics"]["held_out_loss"] for e in of_type(run, "step.finished") if e["phase"] == "evaluate"] == [
        pytest.approx(2.03),
        pytest.approx(1.015),
        pytest.approx(0.5075),
    ]
    written = of_type(run, "artifact.written")
    assert [e["path"] for e in written] == ["steps/01-lora/artifact", "steps/02-merge-2/artifact"]
    for event in written:
        manifest = json.loads((run / event["path"] / "manifest.json").read_text())
        assert manifest["sha256"] == event["sha256"]
        assert manifest["versions"]["python"]
    assert manifest["parents"]["adapter"]["sha256"] == written[0]["sha256"]
    assert read_events(run)[-1]["type"] == "run.finished"
    assert not (run / ".reserve").exists()


def test_events_are_numbered_and_all_readable(tmp_path: Path) -> None:
    """Every line is an event the domain knows, numbered without a gap, its version in the first."""
    run = make_run(tmp_path / "run", make_plan({}))
    supervise(run)
    lines = (run / "events.jsonl").read_bytes().splitlines()
    events = [parse_event(line) for line in lines]
    assert [event.seq for event in events if event is not None] == list(range(1, len(lines) + 1))
    assert read_events(run)[0]["version"].startswith("1.")


def test_second_run_skips_what_verifies(tmp_path: Path) -> None:
    """A finished run resumed starts no worker and ends well."""
    run = make_run(tmp_path / "run", make_plan({}, {}))
    supervise(run)
    before = len(read_events(run))
    assert supervise(run)[0] == 0
    after = read_events(run)[before:]
    assert [e["type"] for e in after if e["type"] == "step.started"] == []
    assert {e["status"] for e in after if e["type"] == "step.finished"} == {"skipped"}
    assert after[0]["resumed"] is True


def test_damaged_artifact_is_made_again(tmp_path: Path) -> None:
    """One flipped bit in a finished step's file is named, and the step done again to the same contents."""
    run = make_run(tmp_path / "run", make_plan({}, {}))
    supervise(run)
    file = run / "steps/01-lora/artifact/state.txt"
    good = file.read_bytes()
    file.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    assert supervise(run)[0] == 0
    said = [e["text"] for e in of_type(run, "diagnostic.raised") if e["code"] == "artifact-damaged"]
    assert len(said) == 1
    assert "state.txt" in said[0]
    assert file.read_bytes() == good
    worked = [e["step"] for e in of_type(run, "step.started") if e["phase"] == "work"]
    assert worked == [1, 2, 1]


def test_changed_plan_is_refused_then_forced(tmp_path: Path) -> None:
    """A changed setting is named and refused with exit 8; --force does again only what depends on it."""
    run = make_run(tmp_path / "run", make_plan({"steps": 4}, {"loss": 0.5}))
    supervise(run)
    first = state_of(run, 1)
    make_run(run, make_plan({"steps": 4}, {"loss": 0.25}))
    before = len(read_events(run))
    code, said = supervise(run)
    assert code == 8
    assert "steps[1].config.loss: 0.5 -> 0.25" in said
    assert len(read_events(run)) == before
    assert supervise(run, "--force")[0] == 0
    assert state_of(run, 1) == first
    after = read_events(run)[before:]
    assert [(e["step"], e["phase"]) for e in after if e["type"] == "step.started"] == [(2, "work"), (2, "evaluate")]
    assert [e["code"] for e in after if e["type"] == "diagnostic.raised"] == ["changed-since-start"]
    assert supervise(run)[0] == 0


def test_changed_data_is_refused(tmp_path: Path) -> None:
    """A data file with other contents than at the start is named and refused with exit 8."""
    data = tmp_path / "rows.jsonl"
    data.write_text("{}\n")
    plan = make_plan({})
    step = plan.steps[0].model_copy(update={"config": {"steps": 5, "data": {"path": str(data)}}})
    run = make_run(tmp_path / "run", plan.model_copy(update={"steps": (step,)}))
    assert supervise(run)[0] == 2
    data.write_text("[]\n")
    code, said = supervise(run)
    assert code == 8
    assert f"{data} has other contents" in said
    data.unlink()
    assert f"{data} is gone" in supervise(run)[1]


def test_threads_are_recorded_and_forced(tmp_path: Path) -> None:
    """The number of threads of the first start is kept by every later one."""
    run = make_run(tmp_path / "run", make_plan({}, threads=None))
    supervise(run)
    record = json.loads((run / "run.json").read_text())
    assert record["threads"] >= 1
    (run / "run.json").write_text(json.dumps({**record, "threads": 7}))
    (run / "steps/01-lora/artifact/state.txt").unlink()
    assert supervise(run)[0] == 0
    assert json.loads((run / "steps/01-lora/request.json").read_text())["inputs"]["threads"] == 7


def test_gate_stops_the_chain(tmp_path: Path) -> None:
    """A step that raises the held-out loss above its gate fails the run with the figures; later steps do not start."""
    run = make_run(tmp_path / "run", make_plan({"loss": 1.0}, {"loss": 1.2, "gate": 0.1}, {"loss": 0.5}))
    assert supervise(run)[0] == 1
    end = read_events(run)[-1]
    assert (end["status"], end["exit_code"]) == ("failed", 1)
    assert "from 1.015 to 1.218" in end["reason"]
    assert {e["step"] for e in of_type(run, "step.started")} == {0, 1, 2}


def test_gate_that_holds_lets_the_chain_go_on(tmp_path: Path) -> None:
    """A rise below the gate is no trouble."""
    run = make_run(tmp_path / "run", make_plan({"loss": 1.0}, {"loss": 1.05, "gate": 0.1}, {"loss": 0.5}))
    assert supervise(run)[0] == 0


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("", 2, "valid"),
        ("a: &x [1]\nb: *x\n", 8, "aliases"),
        ("{unclosed", 2, "not valid YAML"),
        ("x" * (1 << 20) + "xx", 8, "larger"),
        ("{name: x, model: {kind: gguf, path: x}, steps: [{number: 1, technique: ../../etc}]}", 2, "technique"),
        (None, 2, "not a run folder"),
    ],
    ids=["empty", "aliases", "broken", "large", "escaping", "missing"],
)
def test_bad_plan_is_one_message(tmp_path: Path, text: str | None, code: int, word: str) -> None:
    """A plan that is missing, broken or hostile gives one sentence and its code, and no event."""
    if text is not None:
        (tmp_path / "plan.yaml").write_text(text)
    got, said = supervise(tmp_path)
    assert got == code
    assert word in said
    assert "Traceback" not in said
    assert read_events(tmp_path) == []


def test_twenty_starters_one_winner(tmp_path: Path) -> None:
    """Of twenty simultaneous starters one runs; the others exit 7 and name it."""
    run = make_run(tmp_path / "run", make_plan({"steps": 20, "seconds": 0.4}))
    starters = [start(run) for _ in range(20)]
    ended = [(p.pid, *p.communicate(timeout=120), p.returncode) for p in starters]
    winners = [pid for pid, _, _, code in ended if code == 0]
    losers = [said for _, _, said, code in ended if code == 7]
    assert (len(winners), len(losers)) == (1, 19)
    assert all(str(winners[0]) in said for said in losers)
    assert len(of_type(run, "run.started")) == 1


def test_torn_last_line_is_cut(tmp_path: Path) -> None:
    """A log whose last line was torn goes on after its last whole line, with the next number."""
    run = make_run(tmp_path / "run", make_plan({}))
    supervise(run)
    log = run / "events.jsonl"
    whole = len(read_events(run))
    with log.open("ab") as file:
        file.write(b'{"seq": 999, "time": 1.0, "typ')
    assert supervise(run)[0] == 0
    assert read_events(run)[whole]["seq"] == whole + 1


def test_nothing_left_running(tmp_path: Path) -> None:
    """After a run no process of it remains."""
    run = make_run(tmp_path / "run", make_plan({"steps": 3}))
    supervise(run)
    assert processes_of(run) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_full_disk_pauses_the_run(tmp_path: Path) -> None:
    """On a full disk the run ends with exit 6, says so, leaves nothing half-written, and resumes to the same result."""
    import subprocess

    run = make_run(tmp_path / "small" / "run", make_plan({"size": 3_000_000}))
    mount = tmp_path / "small"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)], check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        make_run(run, make_plan({"size": 3_000_000}))
        assert supervise(run)[0] == 6
        end = read_events(run)[-1]
        assert (end["type"], end["exit_code"]) == ("run.finished", 6)
        assert any(e["code"] == "disk-full" for e in of_type(run, "diagnostic.raised"))
        assert list((run / "steps/01-lora").glob("artifact*")) == []
        subprocess.run(["mount", "-o", "remount,size=8m", str(mount)], check=True)
        assert supervise(run)[0] == 0
        resumed = state_of(run)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)
    unbroken = make_run(tmp_path / "unbroken", make_plan({"size": 3_000_000}))
    supervise(unbroken)
    assert state_of(unbroken) == resumed


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_disk_too_full_for_events(tmp_path: Path) -> None:
    """When not even an event can be written the run still ends with exit 6, and its log stays readable."""
    import subprocess

    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(mount)], check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        run = make_run(mount / "run", make_plan({"steps": 400, "seconds": 0.05}))
        process = start(run)
        wait_for(lambda: of_type(run, "step.progress"))
        fill_up(mount / "filler")
        process.communicate(timeout=60)
        assert process.returncode == 6
        end = read_events(run)[-1]
        assert (end["type"], end["exit_code"]) == ("run.finished", 6)
        assert processes_of(run) == []
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def fill_up(file: Path) -> None:
    """Write until the disk is full."""
    with file.open("wb", buffering=0) as sink, pytest.raises(OSError, match="No space"):
        while True:
            sink.write(b"\0" * 4096)
