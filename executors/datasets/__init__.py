"""Data for training and measuring: the built-in set and files of the usual shapes, with a fixed held-out split."""

from __future__ import annotations

from typing import Literal

from advisor.domain.plan import DataSpec
from executors.datasets.rows import MultipleChoice, Row

Split = Literal["train", "held-out"]


def load(spec: DataSpec, split: Split) -> list[Row]:
    """The rows of one side of the split, at most `spec.max_examples`, in a fixed random order.

    Raises AdvisorError (exit 2) with file, line and reason for bad rows, and for data too small to split.
    """
    from executors.datasets import stdlib

    if spec.path == stdlib.NAME:
        rows = stdlib.load(spec.kind, split == "held-out")
    else:
        from executors.datasets.files import load_file

        rows = load_file(spec, split == "held-out")
    return rows[: spec.max_examples] if spec.max_examples is not None else rows


def load_multiple_choice(spec: DataSpec) -> list[MultipleChoice]:
    """Multiple-choice questions on the held-out side; none for data that has no such test."""
    from executors.datasets import stdlib

    return stdlib.load_multiple_choice() if spec.path == stdlib.NAME else []
