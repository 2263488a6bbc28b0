"""The answer to "would it fit here?" as lines: the verdict in words, the numbers it rests on, what speaks for it."""

from __future__ import annotations

from collections.abc import Iterable

from advisor.domain.facts import Facts
from advisor.domain.recommendation import Reason
from advisor.engine.fitting import Fitting, FitVerdict
from advisor.report.knowledge import WIDTH, wrapped
from advisor.report.units import duration_range, gib, gib_range, quality

VERDICTS = {
    FitVerdict.FITS: "YES, it fits",
    FitVerdict.TIGHT: "YES, but it only just fits",
    FitVerdict.OPEN: "IT DEPENDS on what was not said",
    FitVerdict.NO: "NO",
}


def fitting_lines(fitting: Fitting, facts: Facts, width: int = WIDTH) -> list[str]:
    """Whether a technique fits a situation, and why."""
    lines = wrapped("", f"Would it fit here?  {VERDICTS[fitting.verdict]}", width)
    lines += wrapped("  here: ", situation_text(facts), width)
    lines += _reasons("  no: ", fitting.refusals, width)
    lines += [line for r in fitting.open for line in wrapped("  open: ", f"{r.because} {r.hint}".strip(), width)]
    lines += [line for cost in _costs(fitting, facts) for line in wrapped("  ", cost, width)]
    lines += [line for m in fitting.candidate.measures for line in wrapped("  with: ", m.text, width)]
    lines += _reasons("  for: ", fitting.speaks_for, width)
    return lines + _reasons("  against: ", fitting.speaks_against, width)


def situation_text(facts: Facts) -> str:
    """The model and the machine in one phrase."""
    model = facts.model_id or "a model"
    size = f" of {facts.model_params_b:.3g} B parameters" if facts.model_params_b else ""
    machine = "no GPU"
    if facts.has_gpu:
        machine = f"{facts.gpu_count} x {facts.gpu_name or 'GPU'} with {gib(facts.gpu_gib or 0)} GiB free"
    ram = f", {gib(facts.ram_gib)} GiB of RAM" if facts.ram_gib else ""
    return f"{model}{size}; {machine}{ram}{' (simulated)' if facts.is_simulated else ''}"


def _reasons(mark: str, reasons: Iterable[Reason], width: int) -> list[str]:
    texts = (f"{reason.text} [{reason.source}]" if reason.source else reason.text for reason in reasons)
    return [line for text in texts for line in wrapped(mark, text, width)]


def _costs(fitting: Fitting, facts: Facts) -> list[str]:
    estimate, config = fitting.candidate.estimate, fitting.candidate.config
    costs = []
    if estimate.gpu_gib is not None and facts.has_gpu:
        costs.append(f"GPU memory: {gib_range(estimate.gpu_gib)} GiB of {gib(facts.gpu_gib or 0)} free")
    if estimate.ram_gib is not None:
        free = f" of {gib(facts.ram_gib)} free" if facts.ram_gib else ""
        costs.append(f"RAM: {gib_range(estimate.ram_gib)} GiB{free}")
    if estimate.disk_gib is not None:
        costs.append(f"disk: {gib_range(estimate.disk_gib)} GiB")
    if estimate.seconds is not None:
        costs.append(f"time: {duration_range(estimate.seconds)}")
    change = estimate.quality.text or quality(estimate.quality.range, estimate.quality.unit)
    costs.append(f"quality: {change}")
    if config:
        costs.append("settings: " + ", ".join(f"{key} {_plain(value)}" for key, value in config.items()))
    return costs


def _plain(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value
