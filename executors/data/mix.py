"""data-mixing: general data among the task's own, so that training does not cost what the model could do before."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.plan import DataSpec
from advisor.domain.words import JUDGED
from executors.data.writing import DataConfig, check, sides, write_sides
from executors.datasets import load_records
from executors.datasets.rows import Record, hashed
from executors.protocol import Inputs, Machine, Say

REQUIRES = ()


class Config(DataConfig):
    """Settings of one mixing."""

    general: DataSpec
    share: float = Field(default=0.3, gt=0, lt=1)
    """Share of general rows in the mixture; 0.2 to 0.5 is usual."""


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """Either data set that cannot be read, and rows of two kinds that no training reads together."""
    found = check(config, inputs, machine)
    if config.data.kind in JUDGED and config.general.kind is not config.data.kind:
        text = f"rows of kind {config.general.kind} cannot be mixed with rows of kind {config.data.kind}"
        because = "a training on the mixture could not use them; name general data of the same kind"
        return [*found, Diagnostic(severity=Severity.DANGER, code="data", text=text, because=because)]
    try:
        load_records(config.general, "train")
    except AdvisorError as error:
        found.append(Diagnostic(severity=Severity.DANGER, code="data", text=error.what, because=error.why))
    return found


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the mixture. The held-out side stays that of the task."""
    train, held_out = sides(config)
    general = list(load_records(config.general, "train"))
    mixed = mix(train, general, config.share)
    added = len(mixed) - len(train)
    share = added / len(mixed)
    if share < config.share - 0.01:
        text = f"the mixture has {share:.0%} general rows instead of {config.share:.0%}"
        because = f"there are {len(general)} of them, and no row is used twice"
        say.diagnostic(Severity.WARNING, "too-little-general", text, because, "name more general data")
    say.log(f"{len(train)} rows of the task and {added} general ones ({share:.0%})")
    report = {"rows_before": len(train), "rows_after": len(mixed), "general_share": share}
    write_sides(out, mixed, held_out, report, say)


def mix(train: list[Record], general: list[Record], share: float) -> list[Record]:
    """Both together, `share` of them general as far as there are enough, in an order that depends on contents alone."""
    wanted = round(len(train) * share / (1 - share))
    return sorted([*train, *general[:wanted]], key=lambda row: hashed(f"mix:{row.key}"))
