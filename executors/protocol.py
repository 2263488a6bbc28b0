"""What an executor module offers, what it is given, and how it speaks.

An executor is a module below `executors` with these names:

- `Config`: a frozen pydantic model; unknown keys are errors. Its fields are what `Step.config` may hold.
- `REQUIRES`: distributions it needs, e.g. `("torch", "peft")`.
- `preflight(config, inputs, machine) -> list[Diagnostic]`: what is wrong before anything starts, without torch.
  A diagnostic of severity `danger` refuses the step.
- `run(config, inputs, out, say) -> None`: does the work, writes the artifact below `out`, raises
  `AdvisorError` for expected trouble. Heavy imports go inside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from advisor.domain.base import Frozen
from advisor.domain.errors import Diagnostic, Severity
from advisor.domain.event import Unit
from advisor.domain.words import ArtifactKind


class Input(Frozen):
    """An artifact handed to a step: its kind and the absolute folder or file (or a `builtin:` or hub id)."""

    kind: ArtifactKind
    path: str


class Inputs(Frozen):
    """What a step starts from. Roles: model, adapter, teacher, models (`models.0`, `models.1`, ...)."""

    roles: dict[str, Input]
    seed: int = 0
    threads: int | None = None
    scratch: str = ""
    """Folder of the step that survives an interruption: checkpoints go here."""

    def path(self, role: str) -> str:
        """The path of a role. Raises KeyError when the step was not given it."""
        return self.roles[role].path


class Machine(Frozen):
    """What `preflight` may know of the machine."""

    ram_free_gib: float | None = None
    gpu_free_gib: float | None = None
    disk_free_gib: float | None = None
    cores: int | None = None


class Say(Protocol):
    """How a worker speaks. Every call becomes one event."""

    def progress(self, done: float, total: float | None, unit: Unit, what: str = "") -> None: ...

    def metric(self, name: str, value: float, unit: str = "", at: float | None = None) -> None: ...

    def diagnostic(self, severity: Severity, code: str, text: str, because: str = "", hint: str = "") -> None: ...

    def log(self, text: str) -> None: ...

    def should_stop(self) -> bool:
        """True once the run was asked to stop: save what is needed to go on, then raise `Stopped`."""
        ...


class Stopped(Exception):
    """Raised by an executor that was asked to stop, after it saved what it needs to go on."""


class Executor(Protocol):
    """The shape of an executor module."""

    Config: type[Frozen]
    REQUIRES: tuple[str, ...]

    def preflight(self, config: Any, inputs: Inputs, machine: Machine) -> list[Diagnostic]: ...

    def run(self, config: Any, inputs: Inputs, out: Path, say: Say) -> None: ...
