"""What an evaluation may be told, and what can be said against it before it starts. Loads no torch."""

from __future__ import annotations

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.plan import DataSpec, Name
from executors.protocol import Inputs, Machine

REQUIRES = ("torch", "transformers", "tokenizers", "peft", "safetensors", "gguf")


class Config(Frozen):
    """Settings of one evaluation. Zero leaves a part out."""

    data: DataSpec
    max_examples: int = Field(default=128, ge=1)
    """Held-out rows whose loss is measured."""
    seq_len: int = Field(default=512, ge=8, le=1_000_000)
    multiple_choice: int = Field(default=100, ge=0)
    """Questions; only data that has such a test is asked any."""
    answers: int = Field(default=0, ge=0)
    """Held-out questions that are answered in full and compared with the answers wanted."""
    answer_tokens: int = Field(default=48, ge=1, le=4096)
    """Longest such answer."""
    tool_calls: int = Field(default=0, ge=0)
    """Held-out requests for tools that are answered in full; right is the same name with the same arguments."""
    following: int = Field(default=0, ge=0)
    """Requests whose fulfilment a rule can check, such as to answer in capitals."""
    rewards: int = Field(default=48, ge=0)
    """Held-out prompts that are answered and checked; only data of checkable answers has any."""
    safety: int = Field(default=0, ge=0)
    """Harmful requests, and harmless ones that sound alike, of which refusals are counted."""
    probes: dict[Name, DataSpec] = Field(default_factory=dict)
    """Further data whose held-out loss is measured as `<name>_loss`: what must not be forgotten."""
    generate_tokens: int = Field(default=64, ge=0, le=4096)
    """Tokens of the timed generation."""
    questions: int = Field(default=0, ge=0)
    """Questions about the documents that are asked, with what an index finds for each where there is one."""


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """Data that cannot be read or split."""
    from executors.datasets import load

    try:
        for spec in (config.data, *config.probes.values()):
            load(spec, "held-out")
    except AdvisorError as error:
        text, because, hint = error.what, error.why, error.hint
        return [Diagnostic(severity=Severity.DANGER, code="data", text=text, because=because, hint=hint)]
    return []
