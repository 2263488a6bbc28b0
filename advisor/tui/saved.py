"""Writing a file from the app: beside the others where the person started it, never over one that is there."""

from __future__ import annotations

from pathlib import Path


def save_new(name: str, text: str) -> Path:
    """Write `text` under `name`, or under `name-2`, `name-3` ... where that is taken; returns where it is.

    Raises AdvisorError when it cannot be written.
    """
    from advisor.files.writing import write_whole

    target = Path(name)
    for number in range(2, 1000):
        if not target.exists():
            break
        target = Path(name).with_stem(f"{Path(name).stem}-{number}")
    write_whole(text, str(target))
    return target
