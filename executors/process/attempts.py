"""`attempts.json` of a step: which settings were tried and refused, so that a resume goes on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from advisor.domain.base import Lenient
from advisor.domain.plan import Step
from executors.artifact import write_durably
from executors.process.resolve import configure, resolve

FILE = "attempts.json"
MOST = 3
"""Times a step is tried again."""


class Attempts(Lenient):
    """The settings that took the place of the plan's, in their order; the last one counts."""

    identity: str = ""
    """Of the work as the plan has it: with another plan or other inputs they mean nothing."""
    milder: tuple[dict[str, Any], ...] = ()


def read_attempts(folder: Path, identity: str) -> tuple[dict[str, Any], ...]:
    """What was tried in place of the work of this identity."""
    try:
        found = Attempts.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return ()
    return found.milder if found.identity == identity else ()


def write_attempts(folder: Path, identity: str, milder: tuple[dict[str, Any], ...]) -> None:
    """Raises OSError."""
    said = Attempts(identity=identity, milder=milder)
    write_durably(folder / FILE, said.model_dump_json(indent=2).encode() + b"\n")


def milder_config(step: Step, config: dict[str, Any], package: str, count: int) -> dict[str, Any] | None:
    """The settings its executor calls milder than `config`; None without any, or after `count` of `MOST` tries.

    An executor names what to change with an optional function `milder(config) -> dict | None`.
    """
    executor = resolve(step.executor, package)
    find = getattr(executor, "milder", None)
    if find is None or count >= MOST:
        return None
    change = find(configure(executor, step.technique, config))
    if change is None:
        return None
    found = {**config, **change}
    configure(executor, step.technique, found)
    return found
