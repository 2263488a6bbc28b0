"""Reading `plan.yaml` of a run folder. It may have been edited, or come from someone else: nothing in it is trusted."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.plan import Plan

FILE = "plan.yaml"
_LARGEST = 1 << 20


def read_plan(run_dir: Path) -> Plan:
    """The plan of a run folder. Raises AdvisorError (2) when it is missing or wrong, (8) when it is hostile."""
    import yaml

    path = run_dir / FILE
    try:
        if path.stat().st_size > _LARGEST:
            raise AdvisorError(f"{path}: larger than 1 MiB", code=ExitCode.REFUSED)
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise AdvisorError(f"{run_dir}: not a run folder", why=f"it has no {FILE}", hint="advisor runs") from None
    except (OSError, UnicodeDecodeError) as error:
        raise AdvisorError(f"{path}: cannot be read", why=str(error)) from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=loader)):
            raise AdvisorError(f"{path}: aliases are not allowed in a plan", code=ExitCode.REFUSED)
        return Plan.model_validate(yaml.load(text, Loader=loader))
    except (yaml.YAMLError, RecursionError) as error:
        raise AdvisorError(f"{path}: not valid YAML", why=" ".join(str(error).split())[:200]) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        said = str(first["msg"]).removeprefix("Value error, ")
        raise AdvisorError(f"{path}: {place}: {said}" if place else f"{path}: {said}") from None
