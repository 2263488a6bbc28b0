"""`Chain`: what a plan holds while it is compiled: where its parts come from."""

from __future__ import annotations

from dataclasses import dataclass, field

from advisor.domain.plan import BASE, Step
from advisor.domain.words import ArtifactKind
from advisor.engine.parts import ModelState

BESIDE = frozenset(
    {
        ArtifactKind.INDEX,
        ArtifactKind.PROMPT,
        ArtifactKind.REWARD_MODEL,
        ArtifactKind.DATASET,
        ArtifactKind.REMOTE_MODEL,
    }
)
"""Artifacts that stand beside the model and leave it as it is."""


@dataclass(eq=False, repr=False)
class Chain:
    """What has been compiled so far: where the model and the adapter come from."""

    state: ModelState
    model: str = BASE
    adapter: str | None = None
    beside: dict[ArtifactKind, str] = field(default_factory=dict)
    """The step that made the newest artifact of each kind that stands beside the model."""
    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tells_dates: bool = False
    """Whether what is trained is told the time of its data."""

    def add(self, step: Step, following: ModelState) -> None:
        self.steps.append(step)
        self.state = following
        if step.produces in BESIDE:
            self.beside[step.produces] = str(step.number)
        elif step.produces is ArtifactKind.ADAPTER:
            self.adapter = str(step.number)
        else:
            self.model, self.adapter = str(step.number), None

    def given(self) -> dict[str, str]:
        """The model as it stands, with its adapter."""
        return {"model": self.model, **({"adapter": self.adapter} if self.adapter is not None else {})}
