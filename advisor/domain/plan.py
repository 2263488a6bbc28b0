"""`Plan`, `Step`, `ArtifactRef`: exactly what will be executed, with estimates. A file a person may edit."""

from collections.abc import Collection
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from advisor.domain.base import Frozen
from advisor.domain.estimate import Range, StepEstimate
from advisor.domain.words import MODELS_ALONE, ArtifactKind, DataKind, Family

BASE = "base"
"""The origin of an input that is the plan's own model."""
MODELS = "models."
"""Start of the origin of an input that is one of the plan's further models: `models.0`, `models.1`, ..."""
STEP = "step:"
"""Start of a path that is the data set an earlier step made: `step:1`. The step has it as its input `data`."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")]
"""A word that may name a folder: a plan is untrusted, so nothing in it can leave the run's folder."""
Module = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", max_length=120)]
"""A dotted module name below `executors`."""
Origin = Annotated[
    str, StringConstraints(pattern=r"^(base|models\.[0-9]{1,3}|[1-9][0-9]{0,3})$"), Field(coerce_numbers_to_str=True)
]


class Place(Frozen):
    """Where further data stands: a file, a folder, or `builtin:stdlib`."""

    path: str


class Recipe(Frozen):
    """What examples are made of the rows that are read, both to learn from and to measure with."""

    name: Literal["closed-book", "rag-aware", "raft", "dated", "target-language", "both-languages"]
    """closed-book: questions without their passages; rag-aware: with the passage that answers; raft: with distractors
    too; dated: the date before each text, or in the system prompt; target-language: the translations of pairs as text;
    both-languages: both sides of pairs."""
    passages: Place | None = None
    """Where passages are looked up for questions that bring none."""
    distractors: int = Field(default=3, ge=0, le=50)
    without_oracle: float = Field(default=0.2, ge=0, lt=1)
    """Share of the examples to learn from that lack the passage that answers."""
    passage_characters: int = Field(default=400, ge=40, le=100_000)
    language: str | None = None
    """The language to learn, by its code in the pairs; None: the second of each pair."""
    source_share: float = Field(default=0.3, ge=0, lt=1)
    """Share of texts in the other language among those to learn from, so that it is not forgotten."""
    date: str | None = None
    """The date of texts that carry none, and the cutoff that system prompts name."""


OnRegression = Literal["stop", "roll-back", "retry-milder"]
"""What happens to a step whose gate refuses it. stop: the run fails. roll-back: the chain goes on from what the step
started from. retry-milder: the step is done again with settings that change less, and rolled back when none is left."""


class DataSpec(Frozen):
    """Which data a step reads, and how much of it."""

    path: str
    """A file, a folder, or `builtin:stdlib`."""
    kind: DataKind
    max_examples: int | None = None
    held_out: float = Field(default=0.1, gt=0, lt=1)
    """Share kept for evaluation when the data has no split of its own."""
    recipe: Recipe | None = None
    """None: rows are learnt as they stand."""
    bad_rows: Literal["fail", "skip"] = "fail"
    """What happens when rows cannot be used: `skip` goes on without them and says which."""


class ArtifactRef(Frozen):
    """An artifact by place. `path` is absolute, relative to the run folder, or a `builtin:` or hub id."""

    kind: ArtifactKind
    path: str
    sha256: str | None = None


class Step(Frozen):
    """One executor run in its own process."""

    number: int = Field(ge=1)
    technique: Name
    family: Family
    executor: Module
    """Module under `executors`."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Validated by the executor's `Config` before anything starts."""
    inputs: dict[str, Origin] = Field(default_factory=dict)
    """Role -> where from: `model: base` is the plan's model, `adapter: 1` is what step 1 produced, `models.0: models.0`
    the first of the plan's further models."""
    produces: ArtifactKind
    estimate: StepEstimate = StepEstimate.model_construct()
    max_regression: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """The gate: the largest relative rise of held-out loss this step may cause."""
    gate_on: Name = "held_out_loss"
    """The metric of the evaluation that the gate compares. Of one that is better higher the fall counts, in its own
    unit, not relative."""
    on_regression: OnRegression | None = None
    """What happens above it; None: what the plan says."""

    @property
    def folder(self) -> str:
        """Folder below `steps/`."""
        return f"{self.number:02d}-{self.technique}"


class EvaluationSpec(Frozen):
    """What is measured on the baseline and after every step that leaves a model."""

    executor: Module = "evaluate"
    config: dict[str, Any] = Field(default_factory=dict)
    seconds: Range | None = None
    """Expected of one evaluation."""


class Plan(Frozen):
    """A chain of steps over one model. Everything a run needs to be repeated."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: str = Field(max_length=200)
    model: ArtifactRef
    models: tuple[ArtifactRef, ...] = ()
    """Further models that steps start from: the variants a merge combines."""
    steps: tuple[Step, ...]
    evaluation: EvaluationSpec = EvaluationSpec.model_construct()
    seed: int = Field(default=0, ge=0, lt=2**32)
    threads: int | None = Field(default=None, ge=1, le=1024)
    """CPU threads; None: all cores at the first start, then recorded and kept, since results depend on it."""
    max_regression: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """The chain's gate: the largest relative rise of held-out loss from the baseline to the last model."""
    on_regression: OnRegression = "stop"
    """What happens to the last step when the chain's gate refuses it, and to a step that says nothing of its own."""
    notes: tuple[str, ...] = ()
    """Stack entries that are advice, not steps that can be executed here."""

    @model_validator(mode="after")
    def _is_a_chain(self) -> Self:
        for position, step in enumerate(self.steps, 1):
            if step.number != position:
                raise ValueError(f"steps are numbered 1, 2, 3 in their order; step {position} says {step.number}")
            for role, origin in step.inputs.items():
                if origin.startswith(MODELS):
                    if int(origin.removeprefix(MODELS)) >= len(self.models):
                        raise ValueError(f"step {position}: {role} is {origin}, and the plan names {len(self.models)}")
                elif origin != BASE and int(origin) >= position:
                    raise ValueError(f"step {position}: {role} comes from step {origin}, which is not before it")
        return self

    def given(self, origin: str) -> ArtifactRef | None:
        """The model that the plan itself names for an origin; None when a step makes it."""
        if origin == BASE:
            return self.model
        return self.models[int(origin.removeprefix(MODELS))] if origin.startswith(MODELS) else None

    def standing_in(self, role: str, origin: str, without: Collection[int]) -> str | None:
        """Where an input comes from once the steps `without` are rolled back; None when nothing stands in for it.

        In the place of a model stands the model that its step started from, and so on. An adapter, an index or a prompt
        is replaced only by one that its step started from.
        """
        while self.given(origin) is None and int(origin) in without:
            step = self.step(int(origin))
            found = step.inputs.get("model", BASE) if step.produces in MODELS_ALONE else step.inputs.get(role)
            if found is None:
                return None
            origin = found
        return origin

    def step(self, number: int) -> Step:
        """The step of that number. Raises KeyError for an unknown one."""
        for step in self.steps:
            if step.number == number:
                return step
        raise KeyError(number)
