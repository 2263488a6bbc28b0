"""What an editing step may be told, and what can be said against it before it starts. Loads no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.plan import DataSpec
from advisor.domain.words import DataKind
from executors.protocol import Inputs, Machine

REQUIRES = ("torch", "transformers", "tokenizers", "safetensors")


class FactsPath(Frozen):
    """Where the facts are."""

    path: str


class Config(Frozen):
    """Settings of one editing step."""

    data: DataSpec | None = None
    """The facts (kind facts, JSON Lines), or the text that the statistics of the layers are taken from."""
    facts: FactsPath | None = None
    """The facts, where `data` is text."""
    method: Literal["memit", "rome"] = "memit"
    layers: tuple[int, ...] = ()
    """Counted from 0; empty: chosen by how much each restores a fact when the subject is blurred."""
    steps: int = Field(default=25, ge=1, le=500)
    """Gradient steps that find the value of one fact."""
    learning_rate: float = Field(default=0.5, gt=0, le=10)
    clamp: float = Field(default=4.0, gt=0, le=100)
    """Largest change of a hidden state, as a multiple of its length."""
    keep: float = Field(default=0.0625, ge=0, le=10)
    """Weight of keeping what the model says of the subject itself (the divergence term of ROME, equation 4)."""
    statistics: int = Field(default=100, ge=1, le=100_000)
    """Sequences of 256 tokens the covariance is taken over."""
    weight: float = Field(default=4000.0, gt=0, le=1e7)
    """How much the covariance counts against the facts (lambda of MEMIT, equation 15)."""

    others: float = Field(default=4.0, ge=0, le=1e6)
    """How much the same sentences about other subjects count beside ordinary text."""

    @property
    def facts_path(self) -> str:
        """Where the facts are. Raises AdvisorError when nothing says it."""
        if self.facts is not None:
            return self.facts.path
        if self.data is not None and self.data.kind is DataKind.FACTS:
            return self.data.path
        raise AdvisorError("no facts are named", hint="data: {path: facts.jsonl, kind: facts}")

    @property
    def text(self) -> DataSpec:
        """Text for the statistics: that of the standard library where none is named."""
        if self.data is None or self.data.kind in (DataKind.FACTS, DataKind.NONE):
            return DataSpec(path="builtin:stdlib", kind=DataKind.TEXT)
        return self.data


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """Facts that cannot be read, layers named twice."""
    from executors.edit.facts import read_facts

    try:
        read_facts(config.facts_path)
        if len(set(config.layers)) < len(config.layers) or any(layer < 0 for layer in config.layers):
            raise AdvisorError(f"layers {list(config.layers)} are not different numbers from 0")
        from executors.datasets import load

        load(config.text, "train")
    except AdvisorError as error:
        words = {"text": error.what, "because": error.why, "hint": error.hint}
        return [Diagnostic(severity=Severity.DANGER, code="facts", **words)]
    return []
