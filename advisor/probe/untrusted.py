"""Reading small files of a model repository that nobody vouches for: size limits, clear refusals, nothing executed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, ExitCode

JSON_LIMIT = 64 * 2**20
"""Bytes; the largest index files of published models are below 20 MiB."""
PICKLE_HINT = (
    "convert it to safetensors where you trust it (save_pretrained writes safetensors), or take a copy that has it"
)
LFS_START = b"version https://git-lfs"


def read_json(path: Path) -> dict[str, Any]:
    """The file as a JSON object. Raises `AdvisorError` naming the file for anything else."""
    try:
        if path.stat().st_size > JSON_LIMIT:
            raise AdvisorError(f"{path.name} is larger than {JSON_LIMIT // 2**20} MiB", why=f"in {path.parent}")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AdvisorError(f"cannot read {path}", why=_reason(error), hint="fetch the file again") from error
    if not isinstance(found, dict):
        raise AdvisorError(f"{path} does not hold a JSON object")
    return found


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def refuse_pickle(path: Path) -> None:
    """Raise (exit 8) when the file's first bytes are those of a pickle or of PyTorch's archive around one."""
    if is_pickle(path):
        raise AdvisorError(
            f"{path.name} holds pickled weights",
            why="unpickling runs code that the file brings along",
            hint=PICKLE_HINT,
            code=ExitCode.REFUSED,
        )


def is_pickle(path: Path) -> bool:
    """True for a pickle of protocol 2 or later, a zip (PyTorch since 1.6), or an old PyTorch tar file."""
    try:
        with path.open("rb") as file:
            start = file.read(265)
    except OSError:
        return False
    if start[:4] == b"PK\x03\x04" or start[257:262] == b"ustar":
        return True
    return len(start) > 1 and start[0] == 0x80 and 2 <= start[1] <= 5


def refuse_own_code(folder: Path) -> None:
    """Raise (exit 8) when the repository asks for its own Python code to be run (`auto_map`)."""
    for name in ("config.json", "tokenizer_config.json", "processor_config.json"):
        path = folder / name
        if path.exists() and read_json(path).get("auto_map"):
            raise AdvisorError(
                f"{path} asks to run code of its own (auto_map)",
                why="code from a model repository is never run here",
                hint="take the version of this model that transformers supports itself",
                code=ExitCode.REFUSED,
            )


def printable(text: str, most: int = 200) -> str:
    """The text for a terminal: control characters, and what hides or reorders text, written as escapes."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[:most])
    return shown + ("..." if len(text) > most else "")
