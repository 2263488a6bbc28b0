"""Whether two models speak the same tokens. Reads tokenizer files only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advisor.domain.errors import Diagnostic

FILE = "tokenizer.json"


def check_vocabulary(student: Path, teacher: Path) -> list[Diagnostic]:
    """Danger when student and teacher number their tokens differently. Nothing is said where a file is missing."""
    from executors.tensors.checks import danger

    if student == teacher or not all((folder / FILE).is_file() for folder in (student, teacher)):
        return []
    ours, theirs = _tokens(student), _tokens(teacher)
    if ours == theirs:
        return []
    shared = len(ours.items() & theirs.items())
    text = f"the teacher {teacher.name} has another vocabulary than the student {student.name}"
    because = f"{shared} of {len(ours)} tokens have the same number in both, so probabilities cannot be compared"
    return [
        danger("other-vocabulary", text, because, "set form: text, in which the student learns the teacher's answers")
    ]


def _tokens(folder: Path) -> dict[str, int]:
    from executors.tensors.folder import read_json

    found = read_json(folder / FILE)
    vocabulary: Any = found.get("model", {}).get("vocab", {})
    if isinstance(vocabulary, list):  # pairs of token and score
        vocabulary = {pair[0]: number for number, pair in enumerate(vocabulary)}
    added = {token["content"]: token["id"] for token in found.get("added_tokens", [])}
    return {**vocabulary, **added}
