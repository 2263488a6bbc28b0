"""What can be said against any training before it starts. Loads no torch."""

from __future__ import annotations

from pathlib import Path

from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.words import ArtifactKind
from executors.protocol import Inputs
from executors.training.config import TrainingConfig


def check_data(config: TrainingConfig) -> list[Diagnostic]:
    """Data that cannot be read or split."""
    from executors.datasets import load

    try:
        load(config.data, "train")
        load(config.data, "held-out")
    except AdvisorError as error:
        return [_danger("data", error)]
    return []


def check_adapter(config: TrainingConfig, inputs: Inputs) -> list[Diagnostic]:
    """An adapter from an earlier step that this training cannot go on with, and low-bit weights that cannot move."""
    found: list[Diagnostic] = []
    if config.method == "full" and inputs.roles["model"].kind is ArtifactKind.QUANTIZED_LM:
        text = "quantized weights cannot be trained"
        hint = "start from the 16-bit weights, or set method: qlora"
        found.append(Diagnostic(severity=Severity.DANGER, code="quantized-base", text=text, hint=hint))
    if "adapter" not in inputs.roles or not Path(inputs.path("adapter")).is_dir():
        return found  # a step's artifact does not stand there before the run
    from executors.adapters.store import kind_of

    try:
        kind = kind_of(Path(inputs.path("adapter")))
    except AdvisorError as error:
        return [*found, _danger("adapter", error)]
    wanted = KINDS.get(config.method)
    if kind != wanted:
        text = f"the step goes on from an adapter of kind {kind}, and {config.method} trains {wanted or 'all weights'}"
        hint = "merge the adapter first, or train with the method it was made by"
        found.append(Diagnostic(severity=Severity.DANGER, code="other-adapter", text=text, hint=hint))
    return found


KINDS = {
    "lora": "LORA",
    "qlora": "LORA",
    "dora": "LORA",
    "ia3": "IA3",
    "bottleneck": "BOTTLENECK",
    "prompt-tuning": "PROMPT_TUNING",
    "prefix-tuning": "PREFIX_TUNING",
    "p-tuning-v2": "PREFIX_TUNING",
}
"""The `peft_type` that a method leaves."""


def _danger(code: str, error: AdvisorError) -> Diagnostic:
    return Diagnostic(severity=Severity.DANGER, code=code, text=error.what, because=error.why, hint=error.hint)
