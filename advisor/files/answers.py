"""Answers files and plan files: read into domain types, written as YAML."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from advisor.domain.answers import Answers, DataAnswer
from advisor.domain.errors import AdvisorError
from advisor.files.located import read_located
from advisor.files.validate import did_you_mean, validate

if TYPE_CHECKING:
    from advisor.domain.plan import Plan


def read_answers(path: str, techniques: Collection[str] = ()) -> Answers:
    """The answers file at `path` (`-`: standard input). Raises AdvisorError naming file, line and key.

    `techniques`: the ids that `avoid` and `use` may name; without them it is not checked here.
    """
    located = read_located(path)
    answers = validate(located, Answers, "answers")
    for key in ("avoid", "use") if techniques else ():
        for number, word in enumerate(getattr(answers, key)):
            if word not in techniques:
                close = did_you_mean(word, techniques)
                raise AdvisorError(
                    f"{located.place((key, number))}: {key}: {word!r} is no technique{close}",
                    hint="advisor techniques lists them",
                )
    return _with_absolute_data(answers, path)


def _with_absolute_data(answers: Answers, path: str) -> Answers:
    """Relative paths in an answers file are relative to the file, when they exist there."""
    root = Path() if path == "-" else Path(path).parent

    def absolute(value: str | None) -> str | None:
        is_here = value and not value.startswith("builtin:") and (root / value).exists()
        return str((root / value).resolve()) if value and is_here else value

    variants = tuple(absolute(variant) for variant in answers.model.variants)
    update: dict[str, Any] = {
        "data": _with_absolute_sources(answers.data, absolute),
        "model": answers.model.model_copy(update={"id": absolute(answers.model.id), "variants": variants}),
        "teacher": answers.teacher.model_copy(update={"id": absolute(answers.teacher.id)}),
    }
    return answers.model_copy(update=update)


def _with_absolute_sources(data: DataAnswer, absolute: Callable[[str | None], str | None]) -> DataAnswer:
    update: dict[str, Any] = {"path": absolute(data.path), "documents": absolute(data.documents)}
    for key in ("then", "general"):
        source = getattr(data, key)
        if source is not None:
            update[key] = source.model_copy(update={"path": absolute(source.path)})
    return data.model_copy(update=update)


def read_plan(path: str) -> Plan:
    """The plan file at `path`. Raises AdvisorError naming file, line and key."""
    from advisor.domain.plan import Plan

    return validate(read_located(path), Plan, "plan")


def is_plan(path: str) -> bool:
    """True when the file holds a plan (it has steps), not answers."""
    return "steps" in read_located(path).values


def dump_yaml(value: BaseModel, *, exclude_defaults: bool = False) -> str:
    """A domain value as YAML, keys in field order, deterministic."""
    import yaml

    data = value.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=exclude_defaults)
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True, width=110)
    return text
