"""`Recommendation`: the engine's answer (contract section 3)."""

from typing import Any, Literal

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.errors import Severity
from advisor.domain.estimate import ChainEstimate, StepEstimate
from advisor.domain.facts import Default
from advisor.domain.words import ActsOn, Family


class Reason(Frozen):
    text: str
    source: str = ""


class StackEntry(Frozen):
    """One step of the stack, in the order it is run."""

    technique: str
    name: str = ""
    family: Family
    acts_on: ActsOn = ActsOn.BASE
    executable: bool = False
    not_yet: str = ""
    """What keeps an executable step from being executed as the answers stand, such as data that nobody named."""
    because: tuple[Reason, ...] = ()
    estimate: StepEstimate = StepEstimate.model_construct()
    config: dict[str, Any] = Field(default_factory=dict)
    """Settings the engine fixed (bits, rank, micro-batch, ...), over the technique's own."""


class Support(Frozen):
    technique: str
    name: str = ""
    because: tuple[Reason, ...] = ()


class StackWarning(Frozen):
    """Trouble with a pair of steps, or with one step, or a disagreement between sources."""

    severity: Severity
    code: str
    """The interaction's or disagreement's id."""
    first: str = ""
    then: str = ""
    text: str
    fix: str = ""
    sources: tuple[str, ...] = ()


class PairReason(Frozen):
    """Why two steps stand in this order."""

    first: str
    then: str
    verdict: str
    because: str
    sources: tuple[str, ...] = ()


class Alternative(Frozen):
    stack: tuple[str, ...]
    why_not_first: str


class Rejection(Frozen):
    technique: str
    because: str
    source: str = ""


class Flip(Frozen):
    """One fact that, changed, would change the advice; found by running the engine again."""

    fact: str
    from_: Any = Field(alias="from")
    to: Any
    stack: tuple[str, ...]


class Recommendation(Frozen):
    schema_: Literal[1] = Field(default=1, alias="schema")
    feasible: bool
    stack: tuple[StackEntry, ...] = ()
    supports: tuple[Support, ...] = ()
    warnings: tuple[StackWarning, ...] = ()
    order: tuple[PairReason, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    flips: tuple[Flip, ...] = ()
    facts: dict[str, Any] = Field(default_factory=dict)
    defaults: tuple[Default, ...] = ()
    path: tuple[str, ...] = ()
    """Ids of the questions walked, in order."""
    pipeline: str = ""
    """The name of a stack that has one (`prune-distill-quantize`)."""
    chain: ChainEstimate = ChainEstimate.model_construct()
    next_command: str = ""
