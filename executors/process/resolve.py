"""From an executor's name to its module, and from a step's config to the executor's `Config`.

Only modules below one package are ever imported: a plan cannot name any other code.
"""

from __future__ import annotations

import difflib
import importlib
import re
from typing import Any

from pydantic import ValidationError

from advisor.domain.errors import AdvisorError
from executors.process.request import PACKAGE
from executors.protocol import Executor

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_PARTS = ("Config", "REQUIRES", "preflight", "run")


def resolve(name: str, package: str = PACKAGE) -> Executor:
    """The executor module of that name. Raises AdvisorError when there is none."""
    if not _NAME.fullmatch(name):
        raise AdvisorError(f"{name!r} is not the name of an executor")
    full = f"{package}.{name}"
    try:
        module: Any = importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{full}.".startswith(f"{error.name}."):
            raise
        raise AdvisorError(
            f"there is no executor {name!r}", why=f"no module {full}", hint="advisor techniques lists what can be run"
        ) from None
    missing = [part for part in _PARTS if not hasattr(module, part)]
    if missing:
        raise AdvisorError(f"{name!r} is not an executor", why=f"its module has no {', '.join(missing)}")
    found: Executor = module
    return found


def configure(executor: Executor, name: str, config: dict[str, Any]) -> Any:
    """The executor's validated `Config`. Raises AdvisorError naming the key and the nearest valid one."""
    try:
        return executor.Config.model_validate(config)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = list(executor.Config.model_fields)
            close = difflib.get_close_matches(key.split(".")[-1], known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
            raise AdvisorError(f"{name}: unknown key {key!r} in config", hint=hint) from None
        said = str(first["msg"]).removeprefix("Value error, ")
        if not key:  # several settings that do not go together: what was given is the whole config
            raise AdvisorError(f"{name}: {said}", hint="change it under config of that step of the plan") from None
        raise AdvisorError(f"{name}: config {key}: {said}", why=f"it is {first.get('input')!r}"[:200]) from None


def missing_distributions(executor: Executor) -> list[str]:
    """Those distributions of `REQUIRES` that are not installed."""
    from importlib.metadata import PackageNotFoundError, version

    missing = []
    for name in executor.REQUIRES:
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    return missing
