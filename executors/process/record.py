"""`run.json`: what a run was started with, and what has changed since when it is resumed."""

from __future__ import annotations

import hashlib
import importlib.util
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.plan import Plan
from advisor.domain.run_record import Run, SourceRecord
from executors.artifact import sha256_of, write_durably
from executors.process.environment import usable_cores

FILE = "run.json"
DISTRIBUTIONS = (
    "technique-advisor",
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "trl",
    "accelerate",
    "datasets",
    "bitsandbytes",
    "compressed-tensors",
    "torchao",
    "gguf",
    "safetensors",
    "numpy",
)


def read_record(run_dir: Path) -> Run | None:
    """The record of an earlier start, or None. Raises AdvisorError when it is damaged."""
    path = run_dir / FILE
    if not path.exists():
        return None
    try:
        return Run.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise AdvisorError(f"{path}: cannot be read", why=str(error).splitlines()[0], code=ExitCode.REFUSED) from None


def make_record(run_dir: Path, plan: Plan, before: Run | None, now: float, package: str) -> Run:
    """What holds now. Threads stay what they were at the first start unless the plan names another number."""
    kept = before.threads if before is not None else None
    answers = run_dir / "answers.yaml"
    return Run(
        name=plan.name,
        created=before.created if before is not None else now,
        plan=plan.model_dump(mode="json", by_alias=True),
        answers_sha256=sha256_of(answers) if answers.is_file() else "",
        code_sha256=code_hash(package),
        threads=plan.threads or kept or usable_cores(),
        versions=installed_versions(),
        sources=tuple(_source(path, before) for path in _outside_paths(plan)),
        machine={"platform": platform.platform(), "processor": platform.machine(), "cores": usable_cores()},
    )


def write_record(run_dir: Path, record: Run) -> None:
    """Write `run.json` durably. Raises OSError."""
    write_durably(run_dir / FILE, record.model_dump_json(by_alias=True, indent=2).encode() + b"\n")


def changes(before: Run, now: Run) -> list[str]:
    """What changed between two records and may change the result, one line each."""
    found = [f"plan: {line}" for line in _differences(_as_read_today(before.plan), now.plan)]
    if before.answers_sha256 != now.answers_sha256:
        found.append("answers.yaml has other contents")
    old = {source.path: source.sha256 for source in before.sources}
    found += [
        f"{source.path} has other contents"
        for source in now.sources
        if source.path in old and old[source.path] != source.sha256
    ]
    found += [f"{path} is gone" for path in old if not Path(path).exists()]
    for name in sorted({*before.versions, *now.versions}):
        was, is_ = before.versions.get(name, "not installed"), now.versions.get(name, "not installed")
        if was != is_:
            found.append(f"{name}: {was} -> {is_}")
    if before.code_sha256 != now.code_sha256 and not any(line.startswith("technique-advisor:") for line in found):
        found.append("the code of the executors")
    return found


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on, without importing them."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _as_read_today(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan recorded by an earlier version, with today's defaults for fields it did not know: not a change."""
    try:
        return Plan.model_validate(plan).model_dump(mode="json", by_alias=True)
    except ValidationError:
        return plan


def _differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from _differences(before.get(key), now.get(key), f"{place}.{key}" if place else str(key))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for number, (first, second) in enumerate(zip(before, now, strict=True)):
            yield from _differences(first, second, f"{place}[{number}]")
    elif before != now:
        yield f"{place}: {_short(before)} -> {_short(now)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def code_hash(package: str) -> str:
    """SHA-256 over the source files of the package that executors are looked up in."""
    spec = importlib.util.find_spec(package)
    roots = [Path(place) for place in (spec.submodule_search_locations or ())] if spec is not None else []
    files = [(path.relative_to(root).as_posix(), path) for root in roots for path in root.rglob("*.py")]
    lines = "".join(f"{sha256_of(path)} {name}\n" for name, path in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def _outside_paths(plan: Plan) -> list[str]:
    """Files and folders the plan reads: its models, and every `path` in a step's config."""
    configs = [plan.evaluation.config, *(step.config for step in plan.steps)]
    models = [plan.model.path, *(model.path for model in plan.models)]
    named = [*models, *(text for config in configs for text in paths_in(config))]
    return list(dict.fromkeys(text for text in named if ":" not in text and Path(text).exists()))


def paths_in(value: Any) -> Iterator[str]:
    """Every text named `path` in nested settings."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "path" and isinstance(inner, str):
                yield inner
            else:
                yield from paths_in(inner)


def _source(text: str, before: Run | None) -> SourceRecord:
    path = Path(text).absolute()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    names = [p.relative_to(path).as_posix() if path.is_dir() else p.name for p in files]
    stats = [(name, p.stat().st_size, p.stat().st_mtime_ns) for name, p in zip(names, files, strict=True)]
    stat = hashlib.sha256(repr(stats).encode()).hexdigest()
    known = next((s for s in before.sources if s.path == str(path)), None) if before is not None else None
    if known is not None and known.stat == stat:
        return known
    lines = "".join(f"{sha256_of(p)} {name}\n" for name, p in zip(names, files, strict=True))
    return SourceRecord(path=str(path), sha256=hashlib.sha256(lines.encode()).hexdigest(), stat=stat)
