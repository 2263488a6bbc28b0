"""`Technique`: one named method: when it applies, what it needs and gives, its evidence."""

from typing import Any, Literal

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.condition import Condition
from advisor.domain.plan import Recipe
from advisor.domain.words import ActsOn, ArtifactKind, DataKind, Family


class Evidence(Frozen):
    """A measurement or statement that supports a claim."""

    text: str
    kind: Literal["source", "paper", "vendor", "maintainer", "user", "measured-here"]
    """`user`: reported by someone who tried, unchecked."""
    strength: Literal["strong", "moderate", "weak", "claim"] = "moderate"
    """`claim`: the source's word alone."""
    numbers: dict[str, float | str] = Field(default_factory=dict)
    model: str = ""
    source: str
    """`<source id> <where>`, the id declared in `trees/sources.yaml`."""


class Setting(Frozen):
    """A setting as the sources give it, and the default taken here."""

    name: str
    typical: str
    default: str = ""
    source: str = ""


class Requirement(Frozen):
    """What must hold for the technique to be possible; `because` is told when it does not."""

    condition: Condition
    because: str
    hint: str = ""
    source: str = ""


class DataUse(Frozen):
    """How the executor of a technique reads the data that the answers name."""

    use: Literal["train", "calibrate", "corpus"]
    """`train`: learnt from, with a schedule; `calibrate`: looked at to choose what changes; `corpus`: searched."""
    kinds: tuple[DataKind, ...] = ()
    """The kinds its executor can read; empty: any."""
    optional: bool = False
    """It runs without data, or with data of another kind, too."""
    recipe: Recipe | None = None
    """What examples are made of the rows. What the answers say (language, date, passages) is filled in."""


class Phase(Frozen):
    """A further step of the same technique: before it on the same data, or after it on that of a second phase."""

    executor: str
    config: dict[str, Any] = Field(default_factory=dict)
    kinds: tuple[DataKind, ...] = ()
    produces: ArtifactKind | None = None
    """None: what the technique itself leaves."""


class Paper(Frozen):
    title: str
    year: int
    url: str = ""


class Technique(Frozen):
    """One entry of `trees/techniques/`."""

    id: str
    name: str
    family: Family
    group: str = ""
    """A narrower word inside the family, e.g. `adapters`, `soft-prompts`."""
    role: Literal["step", "support"] = "step"
    """`support`: accompanies a step (data preparation, training tricks), never a step of its own."""
    summary: str
    when: tuple[str, ...] = ()
    avoid_when: tuple[str, ...] = ()
    data_needed: str = ""
    pros: tuple[str, ...] = ()
    cons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    tools: tuple[str, ...] = ()
    papers: tuple[Paper, ...] = ()
    requires: tuple[Requirement, ...] = ()
    acts_on: ActsOn = ActsOn.BASE
    consumes: tuple[ArtifactKind, ...] = (ArtifactKind.CAUSAL_LM,)
    """The kinds of model artifact it can start from, any one of them."""
    produces: ArtifactKind | None = None
    estimate_method: str | None = None
    """The `method` of an estimate request (contract section 4) whose memory it has."""
    executor: str | None = None
    """Module under `executors` that runs it; None when it is not executable here."""
    config: dict[str, Any] = Field(default_factory=dict)
    """What the executor's `Config` gets beside the model and the data."""
    data: DataUse | None = None
    """How the executor reads the data; None: it reads none."""
    before: Phase | None = None
    """What makes its data of data of these kinds, as a step of its own before it."""
    stages: tuple[Phase, ...] = ()
    """Its stages before the last one, which `executor` runs. A data set that one makes is what the next learns from."""
    then: Phase | None = None
    """Its second phase, for a technique that trains twice."""
    watches_instructions: bool = False
    """Whether it may cost the ability to follow instructions, which is then measured before and after."""
    watches_safety: bool = False
    """Whether refusals, and refusals of what is harmless, are counted before and after."""
    gate_on: str = "held_out_loss"
    """The metric that its gate compares: what it learns may raise the loss of the answers."""
    needs_teacher: bool = False
    """Whether the step is given the teacher model of the answers under the role `teacher`."""
    why_not: str | None = None
    """Why it is not executable, when `executor` is None."""
    evidence: tuple[Evidence, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def is_executable(self) -> bool:
        return self.executor is not None
