"""`Request`: what one worker is told to do, as `steps/NN-.../request.json`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError
from executors.artifact import Parent
from executors.protocol import Inputs

PACKAGE = "executors"
WHERE = ("machines", "rendezvous")
"""Settings of where something is done, which decide no result: a step goes on although they were changed."""


class Request(Frozen):
    """One piece of work for one worker."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    phase: Literal["work", "evaluate"] = "work"
    technique: str = ""
    executor: str
    package: str = PACKAGE
    """Where executors are looked up. Never taken from a plan."""
    config: dict[str, Any] = Field(default_factory=dict)
    inputs: Inputs
    target: str
    """Absolute: the artifact folder, or the evaluation file."""
    kind: str = ""
    parents: dict[str, Parent] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def identity(self) -> str:
        """Hash of everything that decides the result. Where the run lies, and its thread count, are not in it."""
        return identity_of(self.executor, self.config, self.parents, self.inputs.seed, self.technique)


def identity_of(
    executor: str, config: dict[str, Any], parents: dict[str, Parent], seed: int, technique: str = ""
) -> str:
    """SHA-256 over the canonical JSON of what decides a result."""
    config = {key: value for key, value in config.items() if key not in WHERE}
    origin = {role: parent.sha256 or parent.path for role, parent in parents.items()}
    what = {"executor": executor, "config": config, "from": origin, "seed": seed, "technique": technique}
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()


def read_request(path: Path) -> Request:
    """The request at `path`. Raises AdvisorError when it cannot be read."""
    try:
        return Request.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise AdvisorError(f"{path}: not a worker's request", why=str(error).splitlines()[0]) from None
