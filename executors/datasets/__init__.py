"""Data for training and measuring: the built-in sets and files of the usual shapes, with a fixed held-out split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from advisor.domain.plan import DataSpec
from advisor.domain.words import DataKind
from executors.datasets.recipes import cook
from executors.datasets.rows import MultipleChoice, Record, Row, Text

Split = Literal["train", "held-out"]


def load(spec: DataSpec, split: Split) -> list[Row]:
    """The examples of one side of the split, at most `spec.max_examples`, in a fixed random order.

    Raises AdvisorError (exit 2) with file, line and reason for bad rows, and for data too small to split.
    """
    rows = load_records(spec, split)
    rows = rows[: spec.max_examples] if spec.max_examples is not None else rows
    return cook(spec.recipe, rows, split == "held-out", lambda: _passages(spec, split))


def load_records(spec: DataSpec, split: Split) -> Sequence[Record]:
    """The rows of one side as they stand, before the recipe. Raises what `load` raises."""
    from executors.datasets import reference, stdlib

    if spec.path == stdlib.NAME:
        return stdlib.load(spec.kind, split == "held-out")
    if spec.path == reference.NAME:
        return reference.load(spec.kind, split == "held-out")
    from executors.datasets.files import load_file

    return load_file(spec, split == "held-out")


def load_multiple_choice(spec: DataSpec) -> list[MultipleChoice]:
    """Multiple-choice questions on the held-out side; none for data that has no such test."""
    from executors.datasets import stdlib

    return stdlib.load_multiple_choice() if spec.path == stdlib.NAME else []


def _passages(spec: DataSpec, split: Split) -> list[str]:
    """The texts in which passages for questions are looked up: those the recipe names, of the same side."""
    from executors.datasets import stdlib

    named = spec.recipe.passages.path if spec.recipe is not None and spec.recipe.passages is not None else ""
    path = named or (spec.path if spec.path == stdlib.NAME else "")
    if not path:
        return []
    further = DataSpec(path=path, kind=DataKind.TEXT, held_out=spec.held_out, bad_rows=spec.bad_rows)
    sides: tuple[Split, ...] = (split,) if path == stdlib.NAME else ("train", "held-out")
    return [row.text for side in sides for row in load_records(further, side) if isinstance(row, Text)]
