"""Where things lie in a run folder, and what each step starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from advisor.domain.plan import BASE, Plan, Step
from advisor.domain.run_record import Run
from advisor.domain.words import BESIDE, MEASURED, ArtifactKind
from executors.artifact import Parent, read_manifest
from executors.process.produce import EVALUATION
from executors.process.request import Request
from executors.protocol import Input, Inputs

__all__ = ["BASELINE", "BESIDE", "MEASURED", "Layout"]

ASKED_WITH = ("model", "adapter", "index", "prompt")
"""Roles of a step beside the model that its evaluation is given too."""
BASELINE = "00-baseline"


@dataclass(frozen=True)
class Layout:
    """A plan in its run folder."""

    run_dir: Path
    plan: Plan
    record: Run
    package: str
    without: frozenset[int] = frozenset()
    """Steps that are rolled back: what stands in for their results, the steps after them start from."""
    milder: Mapping[int, dict[str, Any]] = field(default_factory=dict)
    """Settings of steps that are not done with the plan's."""

    def folder(self, step: Step | None) -> Path:
        """The folder of a step; of the baseline for None."""
        return self.run_dir / "steps" / (step.folder if step is not None else BASELINE)

    def artifact(self, step: Step) -> Path:
        return self.folder(step) / "artifact"

    def scratch(self, step: Step) -> Path:
        return self.folder(step) / "scratch"

    def evaluation(self, step: Step | None) -> Path:
        return self.folder(step) / EVALUATION

    def builds_on(self, step: Step) -> int | None:
        """The rolled back step without whose result this one has nothing to do; None when there is none."""
        for role, origin in step.inputs.items():
            if self.plan.standing_in(role, origin, self.without) is None:
                return int(origin)
        return None

    def with_settings(self, step: Step, config: dict[str, Any]) -> Layout:
        """The same with other settings for one step."""
        return replace(self, milder={**self.milder, step.number: config})

    def config(self, step: Step) -> dict[str, Any]:
        return self.milder.get(step.number, step.config)

    def work_request(self, step: Step) -> Request:
        """What the worker of a step is told. The steps it starts from must be done, or something stand in for them."""
        roles = {role: self._from(role, origin) for role, origin in step.inputs.items()}
        return Request(
            phase="work",
            technique=step.technique,
            executor=step.executor,
            package=self.package,
            config=self.config(step),
            inputs=self._inputs(roles, str(self.scratch(step))),
            target=str(self.artifact(step)),
            kind=step.produces,
            parents={role: parent for role, (_, parent) in roles.items()},
            versions=self.record.versions,
        )

    def evaluation_request(self, step: Step | None) -> Request:
        """What the worker is told that measures the baseline (None) or what a step left."""
        if step is None:
            roles = {"model": self._origin(BASE)}
        elif step.produces in BESIDE:
            beside = {role: origin for role, origin in step.inputs.items() if role in ASKED_WITH}
            roles = {role: self._from(role, origin) for role, origin in {"model": BASE, **beside}.items()}
            roles[step.produces.value] = self._origin(str(step.number))
        elif step.produces is ArtifactKind.ADAPTER:
            roles = {
                "model": self._from("model", step.inputs.get("model", BASE)),
                "adapter": self._origin(str(step.number)),
            }
        else:
            roles = {"model": self._origin(str(step.number))}
        return Request(
            phase="evaluate",
            executor=self.plan.evaluation.executor,
            package=self.package,
            config=self.plan.evaluation.config,
            inputs=self._inputs(roles, str(self.folder(step) / "scratch-evaluation")),
            target=str(self.evaluation(step)),
            parents={role: parent for role, (_, parent) in roles.items()},
            versions=self.record.versions,
        )

    def _inputs(self, roles: dict[str, tuple[Input, Parent]], scratch: str) -> Inputs:
        given = {role: source for role, (source, _) in roles.items()}
        return Inputs(roles=given, seed=self.plan.seed, threads=self.record.threads, scratch=scratch)

    def _from(self, role: str, origin: str) -> tuple[Input, Parent]:
        found = self.plan.standing_in(role, origin, self.without)
        assert found is not None, "asked of a step that has nothing to do"
        return self._origin(found)

    def _origin(self, origin: str) -> tuple[Input, Parent]:
        model = self.plan.given(origin)
        if model is not None:
            known = {source.path: source.sha256 for source in self.record.sources}
            sha256 = model.sha256 or _builtin_hash(model.path) or known.get(str(Path(model.path).absolute()), "")
            return Input(kind=model.kind, path=model.path), Parent(path=model.path, sha256=sha256)
        step = self.plan.step(int(origin))
        folder = self.artifact(step)
        manifest = read_manifest(folder) if folder.is_dir() else ""
        sha256 = "" if isinstance(manifest, str) else manifest.sha256
        name = folder.relative_to(self.run_dir).as_posix()
        return Input(kind=step.produces, path=str(folder)), Parent(path=name, sha256=sha256)


def _builtin_hash(model_id: str) -> str:
    """SHA-256 of the file a built-in model is imported from; nothing for any other model."""
    from executors.models.builtin import MODELS

    return MODELS[model_id].sha256 if model_id in MODELS else ""
