"""The machine's identity, and its calibration as kept in the user's cache. Measuring is done by `executors.calibrate`.

The file is untrusted input: it counts only when it belongs to this machine and validates. Torch is not loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from advisor.domain.calibration import Calibration
from advisor.domain.profiles import HardwareProfile

MAX_BYTES = 64 * 1024


def identity(profile: HardwareProfile) -> str:
    """What figures measured on this machine hold for: processor, cores, RAM, visible GPUs and torch's version.

    RAM in whole GiB: the last digits change with the kernel.
    """
    said = {
        "cpu": profile.cpu.name,
        "cores": profile.cpu.cores,
        "ram_gib": None if profile.ram_gib is None else round(profile.ram_gib),
        "gpus": sorted(gpu.uuid for gpu in profile.gpus if gpu.is_visible),
        "torch": _torch_version(),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def read_calibration(profile: HardwareProfile) -> Calibration | None:
    """The calibration of this machine; None when there is none that can be trusted, and for simulated hardware."""
    if profile.is_simulated:
        return None
    folder = _folder()
    if folder is None or not folder.is_dir():
        return None
    try:
        path = folder / f"{identity(profile)}.json"
        if path.stat().st_size > MAX_BYTES:
            return None
        return Calibration.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def store_calibration(profile: HardwareProfile, found: Calibration) -> Path | None:
    """Keep it for this machine, whole or not at all. Where it lies; None without a home folder.

    Raises AdvisorError (6) when it cannot be written.
    """
    from advisor.domain.errors import AdvisorError, ExitCode
    from advisor.files.writing import write_whole

    folder = _folder()
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise AdvisorError(
            f"{folder}: cannot be made", why=why, hint="set XDG_CACHE_HOME", code=ExitCode.DISK
        ) from None
    path = folder / f"{identity(profile)}.json"
    write_whole(found.model_dump_json(by_alias=True) + "\n", str(path))
    return path


@lru_cache(maxsize=1)
def _torch_version() -> str:
    """The installed version, empty without one, by its metadata's folder: importlib.metadata would slow each start."""
    for place in sys.path:
        try:
            names = os.listdir(place or ".")  # noqa: PTH208 (a folder of hundreds: names alone are enough)
        except OSError:
            continue
        for name in names:
            if name.startswith("torch-") and name.endswith(".dist-info"):
                return name.removeprefix("torch-").removesuffix(".dist-info")
    return ""


def _folder() -> Path | None:
    """None where there is no home."""
    from advisor.files.folders import user_folder

    root = user_folder("cache")
    return None if root is None else root / "calibration"
