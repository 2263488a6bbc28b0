"""`CompareReport`: ways to the same goal, measured on the same questions, and which of them won."""

from typing import Literal

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.estimate import Range
from advisor.domain.plan import Plan

ArmStatus = Literal["done", "failed", "stopped", "out of time", "not possible"]


class Arm(Frozen):
    """One way: a chain of techniques and the plan that runs it. `measured_at`: the step whose evaluation counts."""

    name: str
    techniques: tuple[str, ...] = ()
    plan: Plan | None = None
    why_not: str = ""
    """Why there is no plan."""

    @property
    def measured_at(self) -> str | None:
        """Folder of the step whose evaluation is the arm's."""
        return self.plan.steps[-1].folder if self.plan is not None else None


class ArmResult(Frozen):
    """What one arm measured. Shares from 0 to 1."""

    name: str
    techniques: tuple[str, ...] = ()
    status: ArmStatus
    reason: str = ""
    folder: str = ""
    accuracy: float | None = None
    groundedness: float | None = None
    """Share of questions whose cited passage holds the answer; None for what cites nothing."""
    seconds: float | None = None
    """Of one answer, with what it looks up."""
    memory_gib: float | None = None
    """Peak of the process that answered."""
    per_thousand_hours: float | None = None
    """Machine hours for a thousand answers."""
    per_thousand_price: float | None = None
    """The same at the price given per hour; None when none was."""
    made_in: float = 0.0
    """Seconds its steps took, evaluations left out."""
    against_base: Range | None = None
    """Change of accuracy against the bare model, with its 95 % paired interval."""
    against_recommended: Range | None = None


class CompareReport(Frozen):
    """`compare.json`."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    model: str
    questions: int
    budget_minutes: float
    seconds: float = 0.0
    recommended: str
    """The arm the rules recommended."""
    best: str | None = None
    overruled: bool = False
    """The measurement names another arm than the rules did."""
    verdict: str
    price_per_hour: float | None = None
    arms: tuple[ArmResult, ...] = ()
    folder: str = ""
