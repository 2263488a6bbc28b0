"""What a fine-tuning step may be told, and what can be said against it before it starts. Loads no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.meeting import Rendezvous
from advisor.domain.words import ArtifactKind, DataKind
from executors.protocol import Inputs, Machine
from executors.training.config import REQUIRES, TrainingConfig
from executors.training.preflight import check_adapter, check_data, check_machine, check_pruned

__all__ = ["REQUIRES", "TRAINABLE", "Config", "check_alone", "milder", "preflight"]

TRAINABLE = (
    DataKind.INSTRUCTIONS,
    DataKind.QA_PAIRS,
    DataKind.TOOL_CALLS,
    DataKind.TEXT,
    DataKind.DOCUMENTS,
    DataKind.PREFERENCES,
    DataKind.PARALLEL,
)

_OTHERWISE = "sharding: ddp, or gradient_checkpointing, an 8-bit optimizer or qlora where memory is short"
_COPIES = ("ddp", "zero1")
"""Ways to share in which each process has a whole copy of the model."""


class Config(TrainingConfig):
    """Settings of one supervised fine-tuning."""

    processes: int = Field(default=1, ge=1, le=1024)
    """Processes that share the training, one per GPU where there are some; the rows of a step stay the same.
    Of all machines together."""
    sharding: Literal["ddp", "fsdp", "zero1", "zero2", "zero3"] = "ddp"
    """How they share it: `ddp` gives each a copy of the model, `zero1` a copy and a part of the optimizer's state, the
    others a part of all; `zero2` gathers the model once for both passes over a micro-batch,
    `zero3` and `fsdp` for each."""
    machines: int = Field(default=1, ge=1, le=1024)
    """Machines that share it, as many processes on each; the others come in by `advisor join`."""
    rendezvous: Rendezvous | None = None
    """`HOST:PORT` of the machine that runs the plan, where the others reach it."""
    packing: bool = False
    """Texts are put together to sequences of full length, so that nothing is padded; conversations stay apart."""


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What is wrong before anything starts: data that cannot be read or split, kinds that cannot be trained on."""
    if config.data.kind not in TRAINABLE:
        text = f"data of kind {config.data.kind} cannot be fine-tuned on"
        return [Diagnostic(severity=Severity.DANGER, code="data-kind", text=text)]
    return [
        *_check_group(config, inputs),
        *check_pruned(config, inputs),
        *check_adapter(config, inputs),
        *check_machine(config, machine),
        *check_data(config),
    ]


def _check_group(config: Config, inputs: Inputs) -> list[Diagnostic]:
    """What several processes cannot do."""
    from executors.training.group import share_batch

    found = _check_machines(config)
    if config.sharding != "ddp":
        found += _check_shards(config, inputs)
    if config.processes > 1:
        try:
            share_batch(config.micro_batch, config.accumulation, config.processes)
        except AdvisorError as error:
            found.append(Diagnostic(severity=Severity.DANGER, code="processes", text=error.what, hint=error.hint))
        if config.dropout > 0:
            text = "with dropout a resumed training of several processes is not bit-identical to an unbroken one"
            found.append(Diagnostic(severity=Severity.WARNING, code="group-dropout", text=text))
    return found


def check_alone(config: Config, what: str) -> list[Diagnostic]:
    """Danger where a training that cannot be shared is to be: it would quietly run in one process."""
    if config.processes == config.machines == 1:
        return []
    text, hint = f"{what} is done by one process", "leave processes and machines out"
    return [Diagnostic(severity=Severity.DANGER, code="processes", text=text, hint=hint)]


def _check_machines(config: Config) -> list[Diagnostic]:
    """What keeps several machines from meeting."""
    apart, text, hint = config.machines, "", ""
    if apart == 1 and config.rendezvous:
        text, hint = "rendezvous is where several machines meet, and machines is 1", "leave it out, or set machines"
    elif apart > 1 and not config.rendezvous:
        text, hint = f"{apart} machines must meet", "set rendezvous to HOST:PORT of the machine that runs the plan"
    elif config.processes % apart:
        text = f"{config.processes} processes do not spread evenly over {apart} machines"
        hint = f"make processes, which counts those of all machines, a multiple of {apart}"
    return [Diagnostic(severity=Severity.DANGER, code="machines", text=text, hint=hint)] if text else []


def _check_shards(config: Config, inputs: Inputs) -> list[Diagnostic]:
    """What cannot be spread over processes."""
    from executors.training.sharding import METHODS

    text = because = ""
    has_copies = config.sharding in _COPIES
    if config.processes < 2:
        text, because = "there is nothing to shard over with one process", "processes is 1"
    elif config.optimizer not in ("adamw", "sgd"):
        text, because = f"{config.optimizer} is not sharded", "its state is no tensor of the parameter's shape"
    elif config.method not in METHODS and not has_copies:
        text, because = f"{config.method} is not sharded", "its tensors have several number formats or are packed"
    elif not has_copies and inputs.roles["model"].kind is not ArtifactKind.CAUSAL_LM:
        text, because = f"a {inputs.roles['model'].kind} is not sharded", "its masks or packed weights are kept whole"
    if not text:
        return []
    hint = "set processes to the number of GPUs" if config.processes < 2 else _OTHERWISE
    return [Diagnostic(severity=Severity.DANGER, code="sharding", text=text, because=because, hint=hint)]


def milder(config: Config) -> dict[str, Any] | None:
    """Half the learning rate, down to a millionth."""
    return {"learning_rate": config.learning_rate / 2} if config.learning_rate > 2e-6 else None
