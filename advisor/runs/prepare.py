"""Checks a plan against the executors before anything starts. The only module of `advisor` that reads `executors`.

It starts nothing and loads no heavy library. What it cannot know yet (a step whose input an earlier step will make)
is checked by the step's worker.
"""

from __future__ import annotations

import ast
import inspect
import os
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError, Diagnostic, ExitCode, Severity
from advisor.domain.knowledge import Catalog
from advisor.domain.plan import BASE, ArtifactRef, Plan, Step
from advisor.domain.words import ArtifactKind
from advisor.report.units import size
from executors.artifact import verify
from executors.process.lock import RunLock, holder
from executors.process.machine import machine_facts
from executors.process.produce import refusal
from executors.process.request import PACKAGE
from executors.process.resolve import configure, missing_distributions, resolve
from executors.protocol import Executor, Input, Inputs, Machine

if TYPE_CHECKING:
    from executors.training.joining import Groups, Tell
    from executors.training.meeting import Opened

__all__ = ["PACKAGE", "Prepared", "RunLock", "check_config", "config_form", "groups_of", "holder", "prepare"]
__all__ += ["nobody_runs", "take_part", "verify"]


_OWN_ROLES = (ArtifactKind.ADAPTER, ArtifactKind.INDEX, ArtifactKind.PROMPT)


@dataclass(frozen=True)
class Prepared:
    """A plan that can be started, with absolute paths, and what a person should know before."""

    plan: Plan
    diagnostics: tuple[Diagnostic, ...]
    machine: Machine
    package: str = PACKAGE


def prepare(plan: Plan, place: Path, machine: Machine | None = None, package: str = PACKAGE) -> Prepared:
    """Check `plan` for a run at `place`. Raises AdvisorError for what would make it fail.

    Codes: 2 for configuration, 4 hardware, 5 memory, 6 disk, 8 refused for safety.
    """
    if not plan.steps:
        raise AdvisorError("the plan has no steps", why="; ".join(plan.notes), hint="there is nothing to run")
    plan = _with_absolute_paths(plan)
    _check_place(place)
    machine = machine or machine_facts(place)
    _check_kinds(plan)
    for model in (plan.model, *plan.models):
        _check_local(model)
    found = _check_disk(plan, machine)
    checks = [(f"step {s.number} {s.technique}", s.executor, s.config, s.inputs) for s in plan.steps]
    for name, executor_name, config, origins in [_evaluation_check(plan), *checks]:
        executor = resolve(executor_name, package)
        _require(name, executor)
        valid = configure(executor, name, config)
        given = {role: plan.given(origin) for role, origin in origins.items()}
        if all(given.values()):
            found += executor.preflight(valid, _inputs(plan, given), machine)
    error = refusal(found)
    if error is not None:
        raise error
    return Prepared(plan, tuple(dict.fromkeys(found)), machine, package)


def config_form(executor_name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings of an executor: the JSON schema of its `Config`, and what is written under each field, inherited
    ones included."""
    config = resolve(executor_name).Config
    told: dict[str, str] = {}
    for each in reversed(config.__mro__):
        if each.__module__.startswith(("executors", "advisor")):
            told |= dict(_told_of_fields(ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]))
    return config.model_json_schema(), told


def _told_of_fields(written: ast.stmt) -> Iterator[tuple[str, str]]:
    """Each field of a class statement that has a string below it, with that string in one line."""
    if not isinstance(written, ast.ClassDef):
        return
    for field, below in zip(written.body, written.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            yield field.target.id, " ".join(str(ast.literal_eval(below.value)).split())


def shares_vocabulary(model: str, teacher: str) -> bool | None:
    """Whether two models number their tokens alike; None where that cannot be seen on this machine."""
    from executors.distill.vocabulary import shares_vocabulary

    return shares_vocabulary(model, teacher)


def groups_of(run_dir: Path) -> Groups:
    """The groups that steps of a run open for other machines."""
    from executors.training.joining import Groups

    return Groups(run_dir)


def take_part(folder: Path, opened: Opened, tell: Tell) -> bool:
    """Take part in the training of one step from this machine; whether it is over. Raises AdvisorError."""
    from executors.training.joining import take_part

    return take_part(folder, opened, tell)


def nobody_runs(why: str) -> AdvisorError:
    """What is said when the machine that runs the plan is gone."""
    from executors.training.joining import gone

    return gone(why)


def check_config(executor_name: str, name: str, config: dict[str, Any]) -> None:
    """Raises AdvisorError, under the name of the step, for settings that the executor refuses."""
    configure(resolve(executor_name), name, config)


def _evaluation_check(plan: Plan) -> tuple[str, str, dict[str, Any], dict[str, str]]:
    return "evaluation", plan.evaluation.executor, plan.evaluation.config, {"model": BASE}


def _inputs(plan: Plan, given: dict[str, ArtifactRef | None]) -> Inputs:
    roles = {role: Input(kind=model.kind, path=model.path) for role, model in given.items() if model is not None}
    return Inputs(roles=roles, seed=plan.seed, threads=plan.threads)


def _require(name: str, executor: Executor) -> None:
    missing = missing_distributions(executor)
    if missing:
        raise AdvisorError(
            f"{name} needs {', '.join(missing)}",
            why="not installed here",
            hint=f"python -m pip install 'technique-advisor[{getattr(executor, 'EXTRA', 'run')}]'",
        )


def _check_kinds(plan: Plan) -> None:
    """An adapter comes from a step that makes adapters, a model from one that makes models."""
    for step in plan.steps:
        for role, origin in step.inputs.items():
            model = plan.given(origin)
            kind = model.kind if model is not None else plan.step(int(origin)).produces
            if _belongs(role) is not _belongs(kind.value):
                raise AdvisorError(
                    f"step {step.number} {step.technique}: its {role} would be a {kind} from {_origin(plan, origin)}",
                    hint=f"inputs: {{{role}: N}} names the step whose result it is",
                )


def _belongs(word: str) -> ArtifactKind | None:
    """The kind of artifact that stands under a role of its own name (`adapters.0` too); None for a model."""
    word = "adapter" if word.startswith("adapters.") else word
    return next((kind for kind in _OWN_ROLES if kind.value == word), None)


def _check_local(model: ArtifactRef) -> None:
    """A model that is a path is one, as its headers say. Hub ids and built-in ones are looked up by the workers.

    Raises AdvisorError: nothing there, no model or a broken one (2), pickles or own code (8).
    """
    from advisor.probe.model import is_path, probe_model

    if not is_path(model.path):
        return
    if model.kind is ArtifactKind.ADAPTER:
        if not (Path(model.path).expanduser() / "adapter_config.json").is_file():
            raise AdvisorError(f"{model.path} is no adapter", why="it has no adapter_config.json")
        return
    probe_model(model.path, Catalog())
    if (model.kind is ArtifactKind.GGUF) != Path(model.path).expanduser().is_file():
        raise AdvisorError(
            f"the plan calls {model.path} a {model.kind}, and it is none",
            hint="causal-lm is a folder with config.json and model.safetensors, gguf is a file",
        )


def _origin(plan: Plan, origin: str) -> str:
    if plan.given(origin) is not None:
        return "the base model" if origin == BASE else f"the plan's {origin}"
    return f"step {origin} {plan.step(int(origin)).technique}"


def _check_place(place: Path) -> None:
    """A folder can be made at `place`, or there is one. Raises AdvisorError (6)."""
    there = next(folder for folder in (place.absolute(), *place.absolute().parents) if folder.exists())
    is_kept = shutil.disk_usage(there).total > 0  # /proc and its like keep no files
    if not (is_kept and os.access(there, os.W_OK | os.X_OK)):
        why = "this user may not write there" if is_kept else "it keeps no files"
        why = why if there.is_dir() else "it is a file"
        hint = "choose another --run-dir, or set XDG_DATA_HOME"
        raise AdvisorError(f"{there}: a run cannot be kept there", why=why, hint=hint, code=ExitCode.DISK)


def _check_disk(plan: Plan, machine: Machine) -> list[Diagnostic]:
    known = [step.estimate.disk_gib for step in plan.steps if step.estimate.disk_gib is not None]
    expected, high = sum(r.expected for r in known), sum(r.high for r in known)
    free = machine.disk_free_gib
    if free is None or high <= free:
        return []
    wanted, most, there = (size(round(gib * 2**30)) for gib in (expected, high, free))
    text = f"the run writes about {wanted} (at most {most}), and {there} are free"
    if expected > free:
        raise AdvisorError(text, hint="free some space, or choose another --run-dir", code=ExitCode.DISK)
    return [Diagnostic(severity=Severity.WARNING, code="disk-tight", text=text, hint="free some space first")]


def _with_absolute_paths(plan: Plan) -> Plan:
    """The run may be resumed from any folder: what exists relative to this one is written absolute."""
    steps = tuple(step.model_copy(update={"config": _absolute(step.config)}) for step in plan.steps)
    return plan.model_copy(
        update={
            "model": _placed(plan.model),
            "models": tuple(_placed(model) for model in plan.models),
            "steps": tuple(_checked(step) for step in steps),
            "evaluation": plan.evaluation.model_copy(update={"config": _absolute(plan.evaluation.config)}),
        }
    )


def _placed(model: ArtifactRef) -> ArtifactRef:
    return model.model_copy(update={"path": _absolute_path(model.path)})


def _checked(step: Step) -> Step:
    if not step.inputs:
        raise AdvisorError(f"step {step.number} {step.technique} starts from nothing", hint="inputs: {model: base}")
    return step


def _absolute(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        key: _absolute_path(inner) if key == "path" and isinstance(inner, str) else _absolute(inner)
        for key, inner in value.items()
    }


def _absolute_path(text: str) -> str:
    path = Path(text).expanduser()
    return str(path.absolute()) if ":" not in text and path.exists() else text
