"""Calibrates this machine: starts the measuring process, checks what it says, keeps it. Loads no torch itself."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError

from advisor.domain.calibration import Calibration
from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.profiles import HardwareProfile
from advisor.probe.calibration import store_calibration

LONGEST = 300.0
"""Seconds. Ten are usual; a busy machine or a slow disk takes longer."""


def calibrate(profile: HardwareProfile, folder: Path | None = None) -> Calibration:
    """Measure this machine and keep the figures for it. `folder`: on the disk where runs are written.

    Raises AdvisorError: 8 for simulated hardware, 1 when measuring fails or takes too long, 6 when it cannot be kept.
    """
    if profile.is_simulated:
        raise AdvisorError(
            "simulated hardware cannot be measured", hint="leave --gpu, --no-gpu and --ram out", code=ExitCode.REFUSED
        )
    found = _measure(_existing(folder or Path()), profile.cpu.cores)
    store_calibration(profile, found)
    return found


def _measure(folder: Path, threads: int | None) -> Calibration:
    command = [sys.executable, "-P", "-m", "executors.calibrate", str(folder)]
    command += ["--threads", str(threads)] if threads else []
    try:
        with tempfile.TemporaryDirectory(prefix="advisor-calibrate-") as own:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST, check=False, cwd=own
            )
    except subprocess.TimeoutExpired:
        raise _failed(f"it took longer than {LONGEST:.0f} seconds", "try when the machine is less busy") from None
    except OSError as error:
        raise _failed(error.strerror or str(error), "") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        hint = "pip install 'technique-advisor[run]'" if "No module named" in last else ""
        raise _failed(last[:300], hint)
    try:
        return Calibration.model_validate_json(done.stdout)
    except ValidationError as error:
        raise _failed(f"its answer is not valid: {error.errors()[0]['msg']}", "") from None


def _failed(why: str, hint: str) -> AdvisorError:
    return AdvisorError("this machine could not be calibrated", why=why, hint=hint, code=ExitCode.RUN_FAILED)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    folder = folder.absolute()
    return next((place for place in (folder, *folder.parents) if place.is_dir()), Path("/"))
