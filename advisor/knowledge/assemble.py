"""Read every file of `trees/` and put it together as `Knowledge`: the slow way, taken when the cache is stale.

It checks what one file can show (keys, values, double ids); `advisor.knowledge.lint` compares entries with one another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError
from advisor.domain.interaction import Disagreement, Order
from advisor.domain.knowledge import Catalog, CatalogModel, GpuSpec, Knowledge, Practice, Source
from advisor.domain.rule import Rule
from advisor.domain.technique import Technique
from advisor.domain.tree import DecisionTree
from advisor.files.located import read_located
from advisor.files.validate import validate
from advisor.knowledge.pairs import ProfileEntry, expand


class _Vocabulary(Frozen):
    vocabulary: dict[str, dict[str, str]]


class _Interactions(Frozen):
    profiles: tuple[ProfileEntry, ...]


class _Orders(Frozen):
    orders: tuple[Order, ...]


class _Disagreements(Frozen):
    disagreements: tuple[Disagreement, ...]


class _Sources(Frozen):
    sources: tuple[Source, ...]


class _Rules(Frozen):
    rules: tuple[Rule, ...]


class _Practices(Frozen):
    practices: tuple[Practice, ...]


class _Gpus(Frozen):
    gpus: tuple[GpuSpec, ...]


class _Models(Frozen):
    models: tuple[CatalogModel, ...]


HINT = "the types in advisor/domain say what an entry may hold"
File = TypeVar("File", bound=BaseModel)


def assemble(root: Path) -> Knowledge:
    """The knowledge of the folder `root`. Raises AdvisorError naming file, line, entry and nearest valid key."""
    if not root.is_dir():
        raise AdvisorError(f"{root}: no knowledge there", why="it is not a folder", hint="install the package again")
    interactions = _read(root, "interactions.yaml", _Interactions)
    knowledge = Knowledge(
        tree=_read(root, "questions.yaml", DecisionTree),
        techniques=_techniques(root),
        profiles=tuple(expand(profile) for profile in interactions.profiles),
        orders=_read(root, "orders.yaml", _Orders).orders,
        disagreements=_read(root, "disagreements.yaml", _Disagreements).disagreements,
        rules=_read(root, "rules.yaml", _Rules).rules,
        sources=_read(root, "sources.yaml", _Sources).sources,
        catalog=Catalog(
            gpus=_read(root, "catalog/gpus.yaml", _Gpus).gpus,
            models=_read(root, "catalog/models.yaml", _Models).models,
        ),
        vocabulary=_read(root, "vocabulary.yaml", _Vocabulary).vocabulary,
        practices=_read(root, "practices.yaml", _Practices).practices,
        digest=_digest(root),
    )
    _refuse_doubles(knowledge)
    return knowledge


def _read(root: Path, name: str, model: type[File]) -> File:
    return validate(read_located(str(root / name)), model, "knowledge", HINT)


def _techniques(root: Path) -> tuple[Technique, ...]:
    """Every file of `techniques/`, by id. The file is named after the id it holds."""
    techniques = []
    for path in sorted((root / "techniques").glob("*.yaml")):
        technique = validate(read_located(str(path)), Technique, "knowledge", HINT)
        if technique.id != path.stem:
            raise AdvisorError(
                f"{path}: the id {technique.id!r} is not the name of its file", hint="rename one of them"
            )
        techniques.append(technique)
    if not techniques:
        raise AdvisorError(f"{root / 'techniques'}: not a single technique there", hint="install the package again")
    return tuple(techniques)


def _digest(root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.yaml"), key=lambda p: p.relative_to(root).as_posix()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _refuse_doubles(knowledge: Knowledge) -> None:
    interactions = ((p.id, [i.id for i in p.interactions]) for p in knowledge.profiles)
    groups: tuple[tuple[str, Iterable[str]], ...] = (
        ("question", (q.id for q in knowledge.tree.questions)),
        ("interaction profile", (p.id for p in knowledge.profiles)),
        ("order", (o.id for o in knowledge.orders)),
        ("disagreement", (d.id for d in knowledge.disagreements)),
        ("rule", (r.id for r in knowledge.rules)),
        ("source", (s.id for s in knowledge.sources)),
        ("practice", (p.id for p in knowledge.practices)),
        *((f"interaction of {profile}", ids) for profile, ids in interactions),
    )
    for what, ids in groups:
        seen: set[str] = set()
        for entry in ids:
            if entry in seen:
                raise AdvisorError(f"the {what} {entry!r} is declared twice", hint="give one of them another id")
            seen.add(entry)
