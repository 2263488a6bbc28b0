"""Where this program keeps what belongs to a user: caches and data. It makes no folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

NAME = "technique-advisor"
_ON_LINUX = {"cache": ("XDG_CACHE_HOME", ".cache"), "data": ("XDG_DATA_HOME", ".local/share")}


def user_folder(kind: Literal["cache", "data"]) -> Path | None:
    """The folder of that kind; None for a user without a home. It need not exist."""
    if not sys.platform.startswith("linux"):
        import platformdirs

        find = platformdirs.user_cache_path if kind == "cache" else platformdirs.user_data_path
        return find(NAME, appauthor=False)
    # What platformdirs answers on Linux, without its import.
    variable, usual = _ON_LINUX[kind]
    given = os.environ.get(variable, "").strip()
    home = os.path.expanduser("~")  # noqa: PTH111 (Path.expanduser raises where there is no home)
    base = Path(given) if given else Path(home, usual)
    return base / NAME if base.is_absolute() and (given or home != "/") else None
