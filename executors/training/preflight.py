"""What can be said against any training before it starts. Loads no torch."""

from __future__ import annotations

from pathlib import Path

from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.plan import STEP, DataSpec
from advisor.domain.words import ArtifactKind
from executors.protocol import Inputs, Machine
from executors.training.config import TrainingConfig


def check_data(config: TrainingConfig) -> list[Diagnostic]:
    """Data that cannot be read or split. What an earlier step is to make cannot be looked at yet."""
    from executors.datasets import load

    if config.data.path.startswith(STEP):
        return []

    try:
        load(config.data, "train")
        load(config.data, "held-out")
    except AdvisorError as error:
        return [_danger("data", error)]
    return passed_over(config.data)


def passed_over(spec: DataSpec) -> list[Diagnostic]:
    """A warning that names the rows a person chose to go on without; nothing when there are none."""
    from executors.datasets.files import bad_rows, first_of

    bad = bad_rows(spec) if spec.bad_rows == "skip" and Path(spec.path).expanduser().exists() else []
    if not bad:
        return []
    text = f"{len(bad)} rows cannot be used and are passed over"
    return [Diagnostic(severity=Severity.WARNING, code="bad-rows-skipped", text=text, because=first_of(bad))]


def check_machine(config: TrainingConfig, machine: Machine) -> list[Diagnostic]:
    """Kinds of optimizer and attention that need a package that is not here."""
    from importlib.util import find_spec

    needed = {"bitsandbytes": config.optimizer.endswith("8bit"), "flash_attn": config.attention == "flash"}
    hints = {
        "bitsandbytes": "install bitsandbytes, or take optimizer: adafactor",
        "flash_attn": "take attention: sdpa, whose kernels come with PyTorch",
    }
    found = []
    if config.optimizer.startswith("paged") and machine.gpu_free_gib is None:
        text = "there is no GPU to evict optimizer states from: they stay where they are, in 8 bits"
        found.append(Diagnostic(severity=Severity.INFO, code="not-paged", text=text))
    return found + [
        Diagnostic(severity=Severity.DANGER, code="package", text=f"{name} is not installed", hint=hints[name])
        for name, is_needed in needed.items()
        if is_needed and find_spec(name) is None
    ]


def check_pruned(config: TrainingConfig, inputs: Inputs) -> list[Diagnostic]:
    """What the training of a pruned model under its mask does not support."""
    if inputs.roles["model"].kind is not ArtifactKind.SPARSE_LM:
        return []
    if config.method == "dora":
        text, why = "dora cannot train a pruned model", "it rescales rows, which has no form under the mask"
        return [
            Diagnostic(severity=Severity.DANGER, code="pruned-base", text=text, because=why, hint="set method: lora")
        ]
    if config.dropout and config.method in ("lora", "qlora"):
        text = "dropout is not applied: LoRA under the mask of a pruned model has no place for it"
        return [Diagnostic(severity=Severity.WARNING, code="dropout-unused", text=text)]
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
