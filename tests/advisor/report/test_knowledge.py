"""Techniques and the matrix as text."""

from __future__ import annotations

import pytest

from advisor.domain.words import Family, Verdict
from advisor.knowledge import load_knowledge
from advisor.report.knowledge import (
    Matrix,
    between,
    disagreement_lines,
    disagreements_on,
    matrix_lines,
    pair_lines,
    technique_lines,
)

WIDTHS = (46, 60, 80, 120)


@pytest.mark.parametrize("width", WIDTHS)
def test_lines_keep_to_the_width(width: int) -> None:
    """Every technique and every pair fits the width, but for single words that are longer."""
    knowledge = load_knowledge()
    profile = knowledge.profile("default")
    lines = [line for technique in knowledge.techniques for line in technique_lines(technique, width)]
    for first in Family:
        for then in Family:
            entries = between(knowledge, profile, first, then)
            lines += pair_lines(first, then, profile.id, entries, width)
    assert [line for line in lines if len(line) > width and " " in line.strip().lstrip("- ")] == []


def test_a_pair_has_everything() -> None:
    """A pair shows condition, reach, reason, fix, evidence with numbers, dissent and sources of its entries."""
    knowledge = load_knowledge()
    profile = knowledge.profile("default")
    entries = between(knowledge, profile, "prune", "finetune")
    text = " ".join(" ".join(pair_lines("prune", "finetune", profile.id, entries, 10_000)).split())
    for entry in entries:
        parts = [entry.because, entry.condition, entry.fix, entry.disputed_text, *entry.sources, *entry.disputed_by]
        parts += [evidence.text for evidence in entry.evidence]
        parts += [f"{name} {value}" for e in entry.evidence for name, value in e.numbers.items()]
        assert [part for part in parts if part and " ".join(part.split()) not in text] == []


def test_cells() -> None:
    """A cell has the verdict of its last entry, and says whether narrower cases or sources differ."""
    matrix = Matrix(load_knowledge().profile("default"))
    quantize_prune = matrix.cell(Family.QUANTIZE, Family.PRUNE)
    assert quantize_prune.verdict is Verdict.BAD
    assert quantize_prune.is_disputed
    assert matrix.cell(Family.PRUNE, Family.FINETUNE).is_narrowed
    assert matrix.cell(Family.EXPORT, Family.EXPORT).verdict is Verdict.OK
    assert len(matrix.families) == 13


def test_the_source_has_five_families() -> None:
    """The matrix of the source is its own: five families, no cell on the diagonal."""
    matrix = Matrix(load_knowledge().profile("source-matrix"))
    assert len(matrix.families) == 5
    assert all(matrix.cell(family, family).verdict is None for family in matrix.families)
    assert len(matrix_lines(matrix.profile)) == 5 + 5


def test_disagreements() -> None:
    """A pair has the open questions that concern both families, with every side and the one taken."""
    knowledge = load_knowledge()
    (entry,) = [d for d in disagreements_on(knowledge, Family.PRUNE, Family.QUANTIZE)]
    text = " ".join(" ".join(disagreement_lines(entry, 10_000)).split())
    assert all(" ".join(side.text.split()) in text for side in entry.sides)
    assert " ".join(entry.taken.split()) in text
    assert disagreements_on(knowledge, Family.FINETUNE, Family.FINETUNE) == ()
