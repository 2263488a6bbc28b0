"""Reading `decisions.json` of a run folder; the front ends write it."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from advisor.domain.decision import DECISIONS, Decisions
from advisor.domain.errors import AdvisorError


def read_decisions(run_dir: Path) -> Decisions:
    """What was decided; nothing when there is no such file. Raises AdvisorError when it cannot be read."""
    path = run_dir / DECISIONS
    try:
        return Decisions.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Decisions.model_construct()
    except (OSError, ValidationError) as error:
        hint = "remove it to go on as the plan says"
        raise AdvisorError(f"{path}: cannot be read", why=str(error).splitlines()[0], hint=hint) from None
