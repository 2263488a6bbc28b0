"""`Chain`: the steps of a plan one after the other, each in its own worker, with an evaluation after each.

What is already there and verifies is not done again. It decides nothing about what to run: the plan does.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.plan import Step
from advisor.domain.run import Evaluation
from executors.artifact import read_manifest, verify, write_durably
from executors.process.child import Outcome, run_worker
from executors.process.journal import Journal
from executors.process.layout import BESIDE, MEASURED, Layout
from executors.process.lock import RunLock
from executors.process.produce import read_evaluation
from executors.process.request import Request, read_request
from executors.process.stop import StopSignal

LOSS = "held_out_loss"
WORK_REQUEST = "request.json"
EVALUATION_REQUEST = "evaluation-request.json"
_CODES = {int(code) for code in ExitCode if code not in (ExitCode.DONE, ExitCode.RUN_FAILED)}


@dataclass(frozen=True)
class End:
    """How a run ended."""

    status: Literal["done", "failed", "stopped"] = "done"
    exit_code: int = 0
    reason: str = ""


class Chain:
    """Runs a plan in its folder. Raises OSError when the disk refuses the journal or a request."""

    def __init__(self, layout: Layout, journal: Journal, stop: StopSignal, lock: RunLock) -> None:
        self._layout, self._journal, self._stop, self._lock = layout, journal, stop, lock

    def run(self) -> End:
        """The baseline, then every step with its evaluation, until one ends otherwise than done."""
        end = self._measure(None, None)
        before = read_evaluation(self._layout.evaluation(None))
        for step in self._layout.plan.steps:
            if end is None:
                end = self._work(step)
            if end is None and step.produces in MEASURED:
                end = self._measure(step, before)
                if step.produces not in BESIDE:
                    # What stands beside the model left it as it was: the next step is judged against the model.
                    before = read_evaluation(self._layout.evaluation(step)) or before
        return end or End()

    def _work(self, step: Step) -> End | None:
        """Do a step, or skip it because it is done. None: go on."""
        request = self._layout.work_request(step)
        artifact = self._layout.artifact(step)
        found = verify(artifact)
        if found.manifest is not None and found.is_whole and found.manifest.identity == request.identity:
            self._announce_artifact(step)
            self._emit(step, "step.finished", phase="work", status="skipped", reason="already done, and verified")
            return None
        if artifact.is_dir() and not found.is_whole:
            text = f"{artifact / found.file} {found.reason}: the step is done again"
            self._emit(step, "diagnostic.raised", severity="warning", code="artifact-damaged", text=text)
        self._clear(step, request)
        outcome = self._run(step, request)
        if outcome.status == "done":
            self._announce_artifact(step)
        self._finish(step, "work", outcome)
        return self._end_of(step.technique, outcome)

    def _measure(self, step: Step | None, before: Evaluation | None) -> End | None:
        """Evaluate the baseline or what a step left, unless that is done; then check the step's gate."""
        request = self._layout.evaluation_request(step)
        known = read_evaluation(self._layout.evaluation(step))
        if known is not None and known.identity == request.identity:
            outcome = Outcome("done", 0, "", 0.0, None, None)
            word = "skipped"
        else:
            outcome = self._run(step, request)
            known = read_evaluation(self._layout.evaluation(step)) if outcome.status == "done" else None
            word = outcome.status
        regression = self._regression(step, before, known)
        metrics = {metric.name: metric.value for metric in known.metrics} if known is not None else {}
        change = {"status": "failed", "reason": regression, "exit_code": 1} if regression else {"status": word}
        self._finish(step, "evaluate", outcome, metrics=metrics, **change)
        if regression:
            self._emit(step, "diagnostic.raised", severity="danger", code="regression", text=regression)
            return End("failed", int(ExitCode.RUN_FAILED), regression)
        return self._end_of(f"evaluation of {step.technique if step else 'the baseline'}", outcome)

    def _regression(self, step: Step | None, before: Evaluation | None, after: Evaluation | None) -> str:
        """A sentence when the step raised the held-out loss by more than its gate allows, else nothing."""
        if step is None or step.max_regression is None or after is None:
            return ""
        was, is_ = before.value(LOSS) if before is not None else None, after.value(LOSS)
        if was is None or is_ is None or was <= 0:
            text = f"the gate of step {step.number} was not checked: no {LOSS} before and after it"
            self._emit(step, "diagnostic.raised", severity="warning", code="gate-unchecked", text=text)
            return ""
        rise = is_ / was - 1
        if math.isfinite(rise) and rise <= step.max_regression:
            return ""
        allowed = f"more than the {step.max_regression:.1%} its gate allows"
        return f"step {step.number} {step.technique} raised the held-out loss from {was:.4g} to {is_:.4g}, {allowed}"

    def _run(self, step: Step | None, request: Request) -> Outcome:
        if self._stop.is_set:
            return Outcome("stopped", self._stop.exit_code, "stopped before it began", 0.0, None, None)
        folder = self._layout.folder(step)
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(request.inputs.scratch)
        scratch.mkdir(exist_ok=True)
        name = WORK_REQUEST if request.phase == "work" else EVALUATION_REQUEST
        write_durably(folder / name, request.model_dump_json(by_alias=True, indent=2).encode() + b"\n")
        technique = step.technique if step is not None else "baseline"

        def started(pid: int) -> None:
            self._emit(step, "step.started", technique=technique, phase=request.phase, pid=pid)

        def emit(event: dict[str, Any]) -> None:
            self._journal.append({**event, "step": step.number if step is not None else 0})

        outcome = run_worker(folder / name, emit, self._stop, self._lock.descriptor, started)
        disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**30
        if outcome.status == "done":
            shutil.rmtree(scratch)
        return replace(outcome, disk_gib=round(disk, 4))

    def _clear(self, step: Step, request: Request) -> None:
        """Remove what a changed plan made worthless."""
        folder = self._layout.folder(step)
        if _identity_at(folder / WORK_REQUEST) != request.identity:
            for stale in (self._layout.scratch(step), self._layout.artifact(step)):
                if stale.exists():
                    shutil.rmtree(stale)

    def _announce_artifact(self, step: Step) -> None:
        folder = self._layout.artifact(step)
        manifest = read_manifest(folder)
        if not isinstance(manifest, str):
            path = folder.relative_to(self._layout.run_dir).as_posix()
            fields = {"kind": manifest.kind, "path": path, "bytes": manifest.bytes, "sha256": manifest.sha256}
            self._emit(step, "artifact.written", **fields)

    def _finish(self, step: Step | None, phase: str, outcome: Outcome, **change: Any) -> None:
        fields = {
            "phase": phase,
            "status": outcome.status,
            "seconds": round(outcome.seconds, 3),
            "peak_rss_gib": outcome.peak_rss_gib,
            "peak_gpu_gib": outcome.peak_gpu_gib,
            "disk_gib": outcome.disk_gib,
            "exit_code": outcome.exit_code,
            "reason": outcome.reason,
        }
        self._emit(step, "step.finished", **{**fields, **change})

    def _end_of(self, what: str, outcome: Outcome) -> End | None:
        if outcome.status == "stopped":
            return End("stopped", self._stop.exit_code, f"stopped during {what}" if outcome.seconds else "stopped")
        if outcome.status == "failed":
            code = outcome.exit_code if outcome.exit_code in _CODES else int(ExitCode.RUN_FAILED)
            return End("failed", code, f"{what}: {outcome.reason}")
        return None

    def _emit(self, step: Step | None, event_type: str, **fields: Any) -> None:
        event = {"type": event_type, "step": step.number if step is not None else 0, **fields}
        self._journal.append(event, is_durable=event_type == "step.finished")


def _identity_at(path: Path) -> str:
    """The identity of an earlier request; nothing when there is none that can be read."""
    try:
        return read_request(path).identity
    except AdvisorError:
        return ""
