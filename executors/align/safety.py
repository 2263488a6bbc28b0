"""Safety fine-tuning: the given examples mixed with refusals of harmful requests and answers to harmless look-alikes.

Supervised training like any other; what is special is the mixture. Refusals alone teach a model to refuse everything,
so every refusal stands beside a harmless request that sounds alike and is answered. Refusals in the given data count as
well; both rates are measured by the evaluation. Gives an adapter, or a whole model (full).
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from advisor.domain.errors import Diagnostic, Severity
from executors.datasets import load, safety
from executors.datasets.render import encode
from executors.datasets.rows import Conversation, Row, hashed
from executors.finetune.config import TRAINABLE
from executors.finetune.run import train_sequences
from executors.models.load import find_folder, load_tokenizer
from executors.protocol import Inputs, Machine, Say
from executors.training.config import REQUIRES, TrainingConfig
from executors.training.course import HELD_OUT_ROWS
from executors.training.preflight import check_adapter, check_data

__all__ = ["REQUIRES", "Config", "preflight", "run"]


class Config(TrainingConfig):
    """Settings of one safety fine-tuning."""

    guard_share: float = Field(default=0.5, ge=0, lt=1)
    """Share of the examples that are refusals and look-alikes of `builtin:safety`; 0 for data that has its own."""


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What is wrong before anything starts: data that cannot be learnt from as examples."""
    if config.data.kind not in TRAINABLE:
        text = f"data of kind {config.data.kind} holds no examples to learn from"
        return [Diagnostic(severity=Severity.DANGER, code="data-kind", text=text)]
    return [*check_adapter(config, inputs), *check_data(config)]


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Fine-tune `inputs.model` on the mixture and write the adapter, or the model for method full, below `out`."""
    tokenizer = load_tokenizer(find_folder(inputs.path("model")))
    own, kept = load(config.data, "train"), load(config.data, "held-out")
    rows = mixed(own, safety.load(is_held_out=False), config.guard_share)
    refusals = sum(safety.is_refusal(row.messages[-1].content) for row in rows if hasattr(row, "messages"))
    say.log(f"{len(rows)} examples, of which {refusals} refuse")
    half = HELD_OUT_ROWS // 2
    held_out = [*kept[:half], *(safety.load(is_held_out=True)[:half] if config.guard_share else kept[half:])]
    sequences, measured = (encode(side, tokenizer, config.seq_len) for side in (rows, held_out))
    train_sequences(config, inputs, sequences, measured[:HELD_OUT_ROWS], out, say)


def mixed(own: list[Row], guards: list[Row] | list[Conversation], share: float) -> list[Row]:
    """The rows with as many guards among them as make `share` of the whole, in a fixed random order.

    Guards are repeated when there are too few, at most four times: seen more often they would be learnt by heart. Where
    that is not enough, own rows are left out, since a share that is not kept teaches no refusal.
    """
    wanted = round(len(own) * share / (1 - share))
    chosen = [guards[number % len(guards)] for number in range(min(wanted, 4 * len(guards)))]
    if len(chosen) < wanted:
        own = sorted(own, key=lambda row: hashed(row.key))[: round(len(chosen) * (1 - share) / share)]
    rows: list[tuple[int, Row]] = [(hashed(f"{n}:{row.key}"), row) for n, row in enumerate([*own, *chosen])]
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]
