"""Finding techniques by words. It looks through what is written of them and judges nothing."""

from __future__ import annotations

from advisor.domain.knowledge import Knowledge
from advisor.domain.technique import Technique
from advisor.domain.words import Family


def find_techniques(knowledge: Knowledge, text: str = "", family: Family | None = None) -> tuple[Technique, ...]:
    """Techniques that have every word of `text`, those that have it in id or name first; all of them for no text."""
    words = text.lower().split()
    found = []
    for place, technique in enumerate(knowledge.techniques):
        if family is not None and technique.family is not family:
            continue
        name = f"{technique.id} {technique.name}".lower()
        if all(word in name for word in words):
            rank = 0 if technique.id.startswith(text.lower()) else 1
            found.append((rank, place, technique))
        elif all(word in _written(technique) for word in words):
            found.append((2, place, technique))
    return tuple(technique for _, _, technique in sorted(found, key=lambda row: row[:2]))


def _written(technique: Technique) -> str:
    """Everything a person might remember of a technique, in lower case."""
    lists = (technique.when, technique.pros, technique.cons, technique.notes, technique.tools)
    parts = [technique.id, technique.name, technique.family.value, technique.group, technique.summary]
    parts += [text for texts in lists for text in texts]
    return " ".join([*parts, *(paper.title for paper in technique.papers)]).lower()
