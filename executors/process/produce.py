"""Around an executor's `run`: preflight, a temporary place to write, and the result published whole or not at all."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from advisor.domain.errors import AdvisorError, Diagnostic, ExitCode, Severity
from advisor.domain.run import Evaluation
from executors.artifact import Manifest, publish, temporary, write_durably, write_manifest
from executors.process.machine import machine_facts
from executors.process.request import Request
from executors.process.say import Channel
from executors.protocol import Executor

EVALUATION = "evaluation.json"


def produce_artifact(executor: Executor, config: Any, request: Request, say: Channel) -> None:
    """Run the executor and publish its folder under `request.target`. Raises what the executor raises, and
    AdvisorError when the result lost zeros that an earlier step had pruned."""
    from executors.prune.kept import carry_ledger

    _preflight(executor, config, request, say)
    target = Path(request.target)
    out = temporary(target)
    try:
        executor.run(config, request.inputs, out, say)
        if not any(out.iterdir()):
            raise AdvisorError(f"{request.executor} left nothing", code=ExitCode.RUN_FAILED)
        carry_ledger(request.inputs, out, request.technique or request.executor)
        write_manifest(out, _about(request))
        publish(out, target)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def produce_evaluation(executor: Executor, config: Any, request: Request, say: Channel) -> None:
    """Run the evaluation and put `evaluation.json`, stamped with what it belongs to, at `request.target`."""
    _preflight(executor, config, request, say)
    target = Path(request.target)
    out = temporary(target)
    try:
        executor.run(config, request.inputs, out, say)
        evaluation = read_evaluation(out / EVALUATION)
        if evaluation is None:
            raise AdvisorError(f"{request.executor} left no readable {EVALUATION}", code=ExitCode.RUN_FAILED)
        _refuse_nonsense(evaluation)
        stamped = evaluation.model_copy(update={"identity": request.identity})
        write_durably(target, stamped.model_dump_json().encode() + b"\n")
    finally:
        shutil.rmtree(out, ignore_errors=True)


def read_evaluation(path: Path) -> Evaluation | None:
    """The evaluation at `path`; None when it is missing, unreadable or measured nothing."""
    try:
        evaluation = Evaluation.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return evaluation if evaluation.metrics else None


def _refuse_nonsense(evaluation: Evaluation) -> None:
    for metric in evaluation.metrics:
        if not math.isfinite(metric.value):
            raise AdvisorError(
                f"{metric.name} is {metric.value}",
                why="the model computes numbers that are none",
                hint="a lower learning_rate, or precision: fp32",
                code=ExitCode.RUN_FAILED,
            )


def refusal(diagnostics: list[Diagnostic]) -> AdvisorError | None:
    """The error a preflight that found danger ends in, or None."""
    found = next((d for d in diagnostics if d.severity is Severity.DANGER), None)
    if found is None:
        return None
    words = set(found.code.split("-"))
    code = ExitCode.BAD_INPUT
    if "disk" in words:
        code = ExitCode.DISK
    elif "memory" in words:
        code = ExitCode.OUT_OF_MEMORY
    elif words & {"gpu", "hardware", "driver", "cuda"}:
        code = ExitCode.HARDWARE
    return AdvisorError(found.text, why=found.because, hint=found.hint, code=code)


def _preflight(executor: Executor, config: Any, request: Request, say: Channel) -> None:
    diagnostics = executor.preflight(config, request.inputs, machine_facts(Path(request.target)))
    for d in diagnostics:
        if d.severity is not Severity.DANGER:
            say.diagnostic(d.severity, d.code, d.text, d.because, d.hint)
    error = refusal(diagnostics)
    if error is not None:
        raise error


def _about(request: Request) -> Manifest:
    return Manifest(
        kind=request.kind,
        technique=request.technique,
        executor=request.executor,
        identity=request.identity,
        config=request.config,
        parents=request.parents,
        seed=request.inputs.seed,
        threads=request.inputs.threads,
        versions=request.versions,
    )
