"""What steps on this machine really cost, one line per finished step, and what that says of later estimates.

The file lies in the user's data folder, is bounded, and is advice only: without it, or with parts of it unreadable,
estimates are the formulas' own. Failed steps and steps planned for another or a simulated machine are never written.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from advisor.domain.measurement import Correction, Measurement, Quantity, settings_digest
from advisor.engine.estimate.constants import FORMULAS, START_SECONDS
from advisor.files.folders import user_folder

if TYPE_CHECKING:
    from advisor.domain.plan import Plan, Step
    from advisor.domain.run import RunState, StepState

FILE, LOCK = "measurements.jsonl", "measurements.lock"
MOST_LINES = 400
"""Above it the older half is dropped."""
MOST_BYTES = 1 << 20
NEWEST = 50
"""Lines of one kind that count, the newest."""
FADING = 0.8
"""Weight of a run against the one after it: libraries and data change."""
LIMITS: dict[Quantity, tuple[float, float]] = {"seconds": (0.1, 10.0), "ram_gib": (0.7, 2.0), "gpu_gib": (0.7, 2.0)}
"""Ratios beyond are clamped. Too low a memory is worse than too high a one, and other data may fill it better."""
LEAST_RUNS: dict[Quantity, int] = {"seconds": 1, "ram_gib": 2, "gpu_gib": 2}
TELLING_SECONDS = 3 * START_SECONDS["train"]
"""A shorter training is mostly its start, which says nothing of how fast it trains."""


def remember(plan: Plan, state: RunState, created: float, machine: str) -> int:
    """Add the finished steps of a run on `machine`, each once. How many were new.

    `created`: of the run, seconds since the epoch; with the plan's name it tells runs apart. A folder that cannot be
    written is left as it is: the run has its own report.
    """
    states = {step.number: step for step in state.steps}
    found = [_measurement(plan, step, states.get(step.number), created, machine) for step in plan.steps]
    new = [each for each in found if each is not None]
    folder = user_folder("data")
    if not new or folder is None:
        return 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _add(folder / FILE, new)
    except OSError:
        return 0


def read_measurements(path: Path | None = None) -> tuple[Measurement, ...]:
    """Every whole line, oldest first; torn and foreign lines are passed over."""
    folder = user_folder("data")
    place = path or (folder / FILE if folder is not None else None)
    if place is None:
        return ()
    try:
        with place.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - MOST_BYTES))
            content = file.read(MOST_BYTES)
    except OSError:
        return ()
    return tuple(_read(content.splitlines()))


def corrections(found: Iterable[Measurement], machine: str, calibration: str) -> tuple[Correction, ...]:
    """What the measurements of this machine say, per method, and for time per family too.

    Measurements of older formulas do not count, nor times that were predicted from another calibration (empty: none).
    """
    ours = [each for each in found if each.machine == machine and each.version == FORMULAS]
    groups: dict[tuple[str, Quantity], list[float]] = {}
    for each in reversed(ours):
        for quantity, ratio in _ratios(each, calibration):
            scopes = {each.method, each.family} if quantity == "seconds" else {each.method}
            for scope in scopes:
                groups.setdefault((scope, quantity), []).append(ratio)
    return tuple(
        Correction(scope=scope, quantity=quantity, ratio=round(_weighted_median(ratios[:NEWEST]), 3), runs=len(ratios))
        for (scope, quantity), ratios in sorted(groups.items())
        if len(ratios) >= LEAST_RUNS[quantity]
    )


def _ratios(each: Measurement, calibration: str) -> Iterator[tuple[Quantity, float]]:
    """Measured over predicted, clamped, for what tells something."""
    for quantity, measured in each.measured.items():
        predicted = each.predicted.get(quantity, 0.0)
        if predicted <= 0 or measured <= 0:
            continue
        if quantity == "seconds":
            is_short = each.tokens > 0 and predicted < TELLING_SECONDS
            if is_short or each.calibration != calibration:
                continue
        low, high = LIMITS[quantity]
        yield quantity, min(high, max(low, measured / predicted))


def _weighted_median(ratios: list[float]) -> float:
    """The ratio at half of the weight. The newest stands first and weighs most."""
    weighted = sorted((ratio, FADING**age) for age, ratio in enumerate(ratios))
    half, passed = sum(weight for _, weight in weighted) / 2, 0.0
    for ratio, weight in weighted:
        passed += weight
        if passed >= half:
            return ratio
    return weighted[-1][0]


def _measurement(plan: Plan, step: Step, state: StepState | None, created: float, machine: str) -> Measurement | None:
    """The line of a step; None where it did not finish, or was not planned as it ran or for this machine."""
    basis = step.estimate.basis
    if state is None or state.status != "done" or basis is None or not machine or basis.machine != machine:
        return None
    if state.attempts or state.settings or basis.settings != settings_digest(step.config, plan.model.path):
        return None
    if int(step.config.get("machines", 1)) > 1:  # the estimate is of one, and the time holds that of waiting for others
        return None
    ranges = {"ram_gib": step.estimate.ram_gib, "gpu_gib": step.estimate.gpu_gib, "seconds": step.estimate.seconds}
    values = {"ram_gib": state.peak_rss_gib, "gpu_gib": state.peak_gpu_gib, "seconds": state.seconds}
    predicted = {q: value.expected / basis.factors.get(q, 1.0) for q, value in ranges.items() if value is not None}
    digest = hashlib.sha256(f"{created!r} {plan.name} {step.number}".encode()).hexdigest()
    return Measurement.model_validate(
        {
            "machine": machine,
            "run": digest[:16],
            "technique": step.technique,
            "family": step.family.value,
            **basis.model_dump(include={"method", "version", "calibration", "params", "tokens"}),
            "predicted": {q: round(value, 4) for q, value in predicted.items()},
            "measured": {q: round(value, 4) for q, value in values.items() if value and q in predicted},
        }
    )


def _add(path: Path, new: list[Measurement]) -> int:
    known = read_measurements(path)
    seen = {each.run for each in known}
    new = [each for each in new if each.run not in seen]
    if not new:
        return 0
    if len(known) + len(new) > MOST_LINES or (path.exists() and path.stat().st_size > MOST_BYTES // 2):
        from advisor.files.writing import write_whole

        kept = (*known[-MOST_LINES // 2 :], *new)
        write_whole("".join(_line(each) for each in kept), str(path))
        return len(new)
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        is_torn = size > 0 and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
        file.write(("\n" if is_torn else "").encode() + "".join(_line(each) for each in new).encode())
    return len(new)


def _line(each: Measurement) -> str:
    return each.model_dump_json(by_alias=True) + "\n"


def _read(lines: list[bytes]) -> Iterator[Measurement]:
    for line in lines:
        try:
            yield Measurement.model_validate_json(line)
        except ValidationError:
            continue
