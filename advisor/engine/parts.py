"""`Part`: one step of a stack as the order sees it: its family, which model it acts on, what it needs and leaves.

A part knows no costs and no facts; it is made from a technique and the few settings that change what it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from advisor.domain.facts import Facts
from advisor.domain.technique import Technique
from advisor.domain.words import ActsOn, ArtifactKind, Family

BESIDE_THE_MODEL = frozenset({ActsOn.PROMPT, ActsOn.INDEX, ActsOn.DATA, ActsOn.TEACHER})
"""A step on one of these leaves the model of the chain as it is."""


_BESIDE = (None, ArtifactKind.PROMPT, ArtifactKind.INDEX, ArtifactKind.REMOTE_MODEL)
"""What is left where the model of the chain stays as it is."""


@dataclass(frozen=True)
class Part:
    """One step of a stack."""

    technique: str
    family: Family
    acts_on: ActsOn
    consumes: tuple[ArtifactKind, ...]
    produces: ArtifactKind | None

    @property
    def is_beside(self) -> bool:
        """It changes no weights of the chain's model."""
        return self.acts_on in BESIDE_THE_MODEL or self.produces in _BESIDE

    @property
    def folds_adapter(self) -> bool:
        """It starts from an adapter and nothing else: a merge of the adapter into the weights."""
        return self.consumes == (ArtifactKind.ADAPTER,)


@dataclass(frozen=True)
class ModelState:
    """What the chain holds between two steps: the kind of model, and whether an adapter waits beside it."""

    kind: ArtifactKind = ArtifactKind.CAUSAL_LM
    has_adapter: bool = False


def part_of(technique: Technique, config: dict[str, Any] | None = None, acts_on: ActsOn | None = None) -> Part:
    """The part a technique plays. Training through an adapter (`method` in the configuration) leaves an adapter."""
    produces = technique.produces
    carrier = (config or {}).get("carrier")
    if produces in (ArtifactKind.CAUSAL_LM, ArtifactKind.ADAPTER) and carrier is not None:
        produces = ArtifactKind.CAUSAL_LM if carrier == "full-sft" else ArtifactKind.ADAPTER
    return Part(technique.id, technique.family, acts_on or technique.acts_on, technique.consumes, produces)


def start_state(facts: Facts) -> ModelState:
    """What the chain starts from: the model as it is."""
    return ModelState(ArtifactKind.QUANTIZED_LM if facts.model_quantized else ArtifactKind.CAUSAL_LM)


def after(state: ModelState, part: Part) -> ModelState | None:
    """The state behind a step; None when the step cannot start from this state."""
    if part.is_beside:
        return state
    if part.folds_adapter:
        is_possible = state.has_adapter and state.kind in (
            *part.consumes,
            ArtifactKind.CAUSAL_LM,
            ArtifactKind.SPARSE_LM,
        )
        # Folded into a pruned model under its mask: the zeros stay.
        is_sparse = state.kind is ArtifactKind.SPARSE_LM
        return ModelState(state.kind if is_sparse else part.produces or state.kind) if is_possible else None
    if state.kind not in part.consumes:
        return None
    if part.produces is ArtifactKind.ADAPTER:
        return ModelState(state.kind, has_adapter=True)
    if state.has_adapter:
        return None
    return ModelState(part.produces or state.kind)


def why_not_after(state: ModelState, part: Part) -> str:
    """Why a step cannot start from a state, as a sentence."""
    if state.has_adapter:
        return f"{part.technique} needs one model, and an adapter still waits to be merged into it"
    needed = " or ".join(kind.value for kind in part.consumes) or "nothing"
    if part.folds_adapter:
        return f"{part.technique} needs an adapter, and no step before it leaves one"
    return f"{part.technique} needs {needed}, and the steps before it leave {state.kind.value}"
