"""Whether two models speak the same tokens. Reads tokenizer files only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, Diagnostic

FILE = "tokenizer.json"


def shares_vocabulary(student: str, teacher: str) -> bool | None:
    """Whether two models, named as a plan names them, number their tokens alike; None where one is not on this
    machine or has no tokenizer file."""
    folders = [_folder(path) for path in (student, teacher)]
    ours, theirs = (_tokens(folder) if folder is not None else None for folder in folders)
    return None if ours is None or theirs is None else ours == theirs


def _folder(path: str) -> Path | None:
    from executors.models.builtin import cache_folder

    try:
        folder = Path(cache_folder(path) if path.startswith("builtin:") else path).expanduser()
    except AdvisorError:
        return None
    return folder if (folder / FILE).is_file() else None


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
