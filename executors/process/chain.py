"""`Chain`: the steps of a plan one after the other, each in its own worker, with an evaluation after each.

What is already there and verifies is not done again. It decides nothing about what to run: the plan does.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from advisor.domain.decision import Decisions
from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.plan import Step
from advisor.domain.run import Evaluation
from executors.artifact import read_manifest, verify, write_durably
from executors.process.attempts import milder_config, read_attempts, write_attempts
from executors.process.child import Outcome, run_worker
from executors.process.gate import LOSS, Verdict, changed, judge, told
from executors.process.journal import Journal
from executors.process.layout import BESIDE, MEASURED, Layout
from executors.process.lock import RunLock
from executors.process.produce import read_evaluation
from executors.process.request import Request, read_request
from executors.process.stop import StopSignal

WORK_REQUEST = "request.json"
EVALUATION_REQUEST = "evaluation-request.json"
_CODES = {int(code) for code in ExitCode if code not in (ExitCode.DONE, ExitCode.RUN_FAILED)}


NOTHING_DONE = Outcome("done", 0, "", 0.0, None, None)
AGAIN: Literal["again"] = "again"


@dataclass(frozen=True)
class End:
    """How a run ended."""

    status: Literal["done", "failed", "stopped"] = "done"
    exit_code: int = 0
    reason: str = ""


Found = End | Literal["again"] | None
"""Of a step: the end of the run, do it again with other settings, or go on."""


class Chain:
    """Runs a plan in its folder. Raises OSError when the disk refuses the journal or a request."""

    def __init__(
        self, layout: Layout, journal: Journal, stop: StopSignal, lock: RunLock, decisions: Decisions | None = None
    ) -> None:
        self._layout, self._journal, self._stop, self._lock = layout, journal, stop, lock
        self._decisions = decisions or Decisions.model_construct()

    def run(self) -> End:
        """The baseline, then every step with its evaluation, until one ends otherwise than done; then the chain's gate.

        When that rolls a step back or tries it again, what was built on it is done again.
        """
        steps = self._layout.plan.steps
        # Nothing would be compared with a baseline where no step leaves a model that is measured.
        found: Found = self._measure(None) if any(step.produces in MEASURED for step in steps) else None
        first: int | None = 1
        while found is None and first is not None:
            found = self._do_from(first)
            if found is None:
                found, first = self._check_chain()
        return found if isinstance(found, End) else End()

    def _do_from(self, number: int) -> Found:
        for step in self._layout.plan.steps[number - 1 :]:
            if step.number not in self._layout.without and (found := self._do(step)) is not None:
                return found
        return None

    def _do(self, step: Step) -> Found:
        """Do a step, again with milder settings when its gate refuses it and the plan says so."""
        gone = self._layout.builds_on(step)
        if gone is not None:
            return self._roll_back(step, f"it builds on step {gone}, which is rolled back")
        if step.number in self._decisions.rolled_back:
            return self._roll_back(step, "rolled back by hand")
        self._recall_attempts(step)
        while True:
            found: Found = self._work(step)
            if found is None and step.produces in MEASURED:
                found = self._measure(step)
            if found != AGAIN:
                return found

    def _recall_attempts(self, step: Step) -> None:
        """Settings that took the place of the plan's in an earlier start of this run."""
        if step.number not in self._layout.milder:
            tried = read_attempts(self._layout.folder(step), self._layout.work_request(step).identity)
            if tried:
                self._layout = self._layout.with_settings(step, tried[-1])

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

    def _measure(self, step: Step | None) -> Found:
        """Evaluate the baseline or what a step left, unless that is done; then do as its gate says."""
        request = self._layout.evaluation_request(step)
        known = read_evaluation(self._layout.evaluation(step))
        if known is not None and known.identity == request.identity:
            outcome = NOTHING_DONE
            word = "skipped"
        else:
            outcome = self._run(step, request)
            known = read_evaluation(self._layout.evaluation(step)) if outcome.status == "done" else None
            word = outcome.status
        if step is not None:
            earlier = self._last_measured(self._layout.plan.steps[: step.number - 1])
            before = read_evaluation(self._layout.evaluation(earlier))
            verdict = judge(f"step {step.number} {step.technique}", step.max_regression, before, known, step.gate_on)
            self._warn_unchecked(verdict, step, f"step {step.number}")
            if verdict.reason:
                return self._refused(step, verdict.reason, outcome, known)
        self._finish(step, "evaluate", outcome, metrics=_metrics(known), status=word)
        return self._end_of(f"evaluation of {step.technique if step else 'the baseline'}", outcome)

    def _refused(self, step: Step, reason: str, outcome: Outcome, known: Evaluation | None) -> Found:
        """What the plan says of a step that a gate refuses: end, roll back, or do it again with milder settings."""
        if step.number in self._decisions.kept:
            self._emit(step, "diagnostic.raised", severity="info", code="kept", text=f"{reason}; kept by hand")
            self._finish(step, "evaluate", outcome, metrics=_metrics(known))
            return None
        action = step.on_regression or self._layout.plan.on_regression
        milder = self._make_milder(step) if action == "retry-milder" else None
        if milder is not None:
            text = f"{reason}; tried again with {told(changed(self._layout.config(step), milder))}"
            self._finish(step, "evaluate", outcome, metrics=_metrics(known), status="retried", reason=text)
            self._emit(step, "diagnostic.raised", severity="warning", code="retried-milder", text=text)
            self._layout = self._layout.with_settings(step, milder)
            return AGAIN
        if action != "stop":
            return self._roll_back(step, reason, outcome, known)
        self._finish(step, "evaluate", outcome, metrics=_metrics(known), status="failed", reason=reason, exit_code=1)
        self._emit(step, "diagnostic.raised", severity="danger", code="regression", text=reason)
        return End("failed", int(ExitCode.RUN_FAILED), reason)

    def _make_milder(self, step: Step) -> dict[str, Any] | None:
        """The next settings to try, written down before they are; None when there are none left."""
        identity = self._layout.with_settings(step, step.config).work_request(step).identity
        tried = read_attempts(self._layout.folder(step), identity)
        milder = milder_config(step, self._layout.config(step), self._layout.package, len(tried))
        if milder is not None:
            write_attempts(self._layout.folder(step), identity, (*tried, milder))
        return milder

    def _roll_back(
        self, step: Step, reason: str, outcome: Outcome | None = None, known: Evaluation | None = None
    ) -> Found:
        """Go on without the step. What it left stays in its folder."""
        self._layout = replace(self._layout, without=self._layout.without | {step.number})
        text = reason if outcome is None else f"{reason}; rolled back"
        self._finish(
            step, "evaluate", outcome or NOTHING_DONE, metrics=_metrics(known), status="rolled-back", reason=text
        )
        said = {"severity": "warning", "code": "rolled-back", "text": f"step {step.number} {step.technique}: {text}"}
        self._emit(step, "diagnostic.raised", **said)
        return None

    def _check_chain(self) -> tuple[Found, int | None]:
        """The chain's own gate, from the baseline to the last model that counts; and from which step on to go again."""
        plan = self._layout.plan
        last = self._last_measured(plan.steps)
        if last is None or plan.max_regression is None or last.number in self._decisions.kept:
            return None, None
        baseline, known = (read_evaluation(self._layout.evaluation(step)) for step in (None, last))
        verdict = judge(f"the chain up to step {last.number} {last.technique}", plan.max_regression, baseline, known)
        self._warn_unchecked(verdict, last, "the chain")
        if not verdict.reason:
            return None, None
        found = self._refused(last, verdict.reason, NOTHING_DONE, known)
        if isinstance(found, End):
            return found, None
        return None, last.number if found == AGAIN else last.number + 1

    def _last_measured(self, steps: Sequence[Step]) -> Step | None:
        """The last of the steps that left a model and counts; None: the baseline. What stands beside the model left it
        as it was."""
        models = MEASURED - BESIDE
        counted = (s for s in reversed(steps) if s.produces in models and s.number not in self._layout.without)
        return next(counted, None)

    def _warn_unchecked(self, verdict: Verdict, step: Step, what: str) -> None:
        if not verdict.is_checked:
            text = f"the gate of {what} was not checked: no {LOSS} before and after it"
            self._emit(step, "diagnostic.raised", severity="warning", code="gate-unchecked", text=text)

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
            settings = changed(step.config, self._layout.config(step)) if step is not None else {}
            fields = {"technique": technique, "phase": request.phase, "pid": pid, "settings": settings}
            self._emit(step, "step.started", **fields)

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


def _metrics(known: Evaluation | None) -> dict[str, float]:
    return {metric.name: metric.value for metric in known.metrics} if known is not None else {}
