"""Runs one supervised fine-tuning: data, model, trainer, training, result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from advisor.domain.errors import Severity
from executors.datasets import load
from executors.datasets.packing import pack, padding_share
from executors.datasets.render import Encoded, encode
from executors.datasets.rows import Row, Text
from executors.finetune.config import Config
from executors.models.load import find_folder, load_tokenizer
from executors.protocol import Inputs, Say
from executors.prune.kept import pruned_tensors
from executors.training import group, setup, sharding
from executors.training.best import whole_weights
from executors.training.config import TrainingConfig
from executors.training.course import HELD_OUT_ROWS, Course, follow
from executors.training.engine import make_class
from executors.training.optimizer import make_optimizer
from executors.training.order import collate, count_steps, order_rows
from executors.training.reporter import Measured, Reporter, make_callback
from executors.training.savings import report_savings


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Fine-tune `inputs.model` and write the adapter, or the model for method full, below `out`.

    Goes on from the newest whole checkpoint in `inputs.scratch`; on the CPU the result is bit-identical to that of an
    unbroken run. Raises AdvisorError for unusable data or model, Stopped once a requested stop has been saved.
    """
    if config.processes > 1 and not group.is_member():
        group.launch("finetune", config, inputs, out, say)
        return
    sequences, held_out = encode_data(config, inputs, say)
    train_sequences(config, inputs, sequences, held_out, out, say)


class Lesson(Protocol):
    """What teaches beside the labels. `loss_class` is put in front of the trainer and finds the lesson as `lesson`."""

    loss_class: type

    def prepare(self, student: Any) -> None:
        """Hang on the model what is trained beside it."""

    def finish(self, student: Any) -> None:
        """Take it off again."""


def train_sequences(
    config: TrainingConfig,
    inputs: Inputs,
    sequences: Sequence[Encoded],
    held_out: Sequence[Encoded],
    out: Path,
    say: Say,
    lesson: Lesson | None = None,
    write: Callable[[Any], None] | None = None,
) -> None:
    """Train on encoded sequences and write the result below `out`; `held_out` steers and is never learnt.

    `write`: writes another result than the adapter or the model, of the trained model.
    """
    _tell_of_mask(inputs, say)
    steps = count_steps(len(sequences), config.batch, config.epochs, config.max_steps)
    lengths = [len(s.ids) for s in sequences]
    ordered = [sequences[row] for row in order_rows(lengths, config.batch, steps, inputs.seed)]
    tokens = _tokens(ordered, config.batch)
    say.log(f"{len(sequences)} sequences, {steps} steps of {config.batch} sequences, {sum(tokens)} tokens")

    def build(micro_batch: int, accumulation: int, reporter: Reporter) -> Any:
        return _build(config, inputs, ordered, micro_batch, accumulation, reporter, lesson)

    def measure(trainer: Any) -> list[Measured]:
        return _held_out_loss(trainer.model, held_out)

    course = Course("finetune", _digest(sequences), steps, tokens, build, measure, loss_unit="nats/token")
    trainer = follow(course, config, inputs, say)
    _tell_of_group(trainer, config, say)
    report_savings(trainer, config, say)
    _gather(trainer, config, inputs)
    if group.rank():
        return
    if lesson is not None:
        lesson.finish(trainer.model)
    setup.report_share(trainer.model, config, say)
    say.progress(steps, steps, "steps", "writing")
    write(trainer.model) if write is not None else setup.write_result(trainer, config, inputs, out)


def _tokens(ordered: Sequence[Encoded], batch: int) -> list[int]:
    """Tokens of each step."""
    return [sum(len(s.ids) for s in ordered[at : at + batch]) for at in range(0, len(ordered), batch)]


def _tell_of_group(trainer: Any, config: TrainingConfig, say: Say) -> None:
    """What wraps the model of a training that several processes share."""
    if group.size() > 1:
        group.check_wrapping(trainer, say, getattr(config, "sharding", "ddp"))


def _gather(trainer: Any, config: TrainingConfig, inputs: Inputs) -> None:
    """Bring together in the first process what is written of a training whose parts several hold."""
    if isinstance(trainer, sharding.ShardedModel):
        _make_whole(trainer, config, inputs)
    elif sharding.is_divided(trainer) and config.method != "full":
        bare = trainer.optimizer.optimizer
        bare.pairs = [(parameter, sharding.gathered(master)) for parameter, master in bare.pairs]


def _make_whole(trainer: Any, config: TrainingConfig, inputs: Inputs) -> None:
    """Gather what was trained in shards; the first process holds it in a model of its own afterwards."""
    if config.method == "full":
        tensors = {name: sharding.gathered(p.detach()) for name, p in trainer.model.named_parameters()}
    else:
        tensors = whole_weights(trainer)
    if group.rank() == 0:
        fresh = setup.load_trainable(config, inputs, [1])
        sharding.put_whole(tensors, fresh.model)
        trainer.model, trainer.optimizer.optimizer.pairs = fresh.model, ()


def _tell_of_mask(inputs: Inputs, say: Say) -> None:
    if pruned_tensors(find_folder(inputs.path("model"))):
        say.diagnostic(Severity.INFO, "masked-training", "the model is pruned: it is trained under its mask",
                       "an ordinary update would fill the zeros again")  # fmt: skip


def encode_data(config: Config, inputs: Inputs, say: Say) -> tuple[list[Encoded], list[Encoded]]:
    """The training side of the data, and the held-out rows that are followed, as the model's token ids."""
    tokenizer = load_tokenizer(find_folder(inputs.path("model")))
    rows = load(config.data, "train")
    say.progress(0, len(rows), "rows", "reading")
    sequences = encode(rows, tokenizer, config.seq_len)
    held_out = encode(load(config.data, "held-out")[:HELD_OUT_ROWS], tokenizer, config.seq_len)
    whole = len({sequence.row for sequence in sequences})
    if whole < len(rows):
        because = f"no answer begins within {config.seq_len} tokens"
        say.diagnostic(
            Severity.WARNING, "rows-too-long", f"{len(rows) - whole} of {len(rows)} rows teach nothing", because
        )
    if config.packing:
        sequences = _packed(sequences, rows, config, say)
    return sequences, held_out[:HELD_OUT_ROWS]


def _packed(sequences: list[Encoded], rows: Sequence[Row], config: Config, say: Say) -> list[Encoded]:
    """Texts put together; says what padding that saves at this micro-batch."""
    packed = pack(sequences, {n for n, row in enumerate(rows) if isinstance(row, Text)}, config.seq_len)
    shares = [padding_share([len(s.ids) for s in found], config.micro_batch) for found in (sequences, packed)]
    say.log(f"packing: {len(sequences)} sequences become {len(packed)}")
    say.metric("padding_before_packing", shares[0], "share")
    say.metric("padding_after_packing", shares[1], "share")
    return packed


def _held_out_loss(model: Any, held_out: Sequence[Encoded]) -> list[Measured]:
    from executors.metrics.answers import answer_losses, mean_loss

    return [Measured("held_out_loss", mean_loss(answer_losses(model, held_out)), "nats/token")]


def _digest(sequences: Sequence[Encoded]) -> str:
    digest = hashlib.sha256()
    for sequence in sequences:
        digest.update(json.dumps([sequence.ids, sequence.labels]).encode())
    return digest.hexdigest()


def _build(
    config: TrainingConfig,
    inputs: Inputs,
    ordered: Sequence[Encoded],
    micro_batch: int,
    accumulation: int,
    reporter: Reporter,
    lesson: Lesson | None,
) -> Any:
    """A trainer over a freshly loaded model. `ordered` are the sequences in the order of training."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    tokenizer = load_tokenizer(find_folder(inputs.path("model")))
    first = tokenizer.decode(min(ordered[: config.batch], key=lambda s: s.row).ids, skip_special_tokens=True)
    loaded = setup.load_trainable(config, inputs, [len(s.ids) for s in ordered], first, has_masks=False)
    pad = loaded.tokenizer.pad_token_id or 0
    steps = len(ordered) // (micro_batch * accumulation * group.size())
    shared = setup.arguments(config, inputs, steps, micro_batch, accumulation)
    shared_by = getattr(config, "sharding", "ddp") if group.size() > 1 else "ddp"
    is_sharded = shared_by in sharding.SPREAD
    if is_sharded:
        sharding.shard(loaded.model, keeps_gathered=shared_by == "zero2")
    kind = make_class(SFTTrainer, answers_only=True, is_sharded=is_sharded)
    if lesson is not None:
        lesson.prepare(loaded.model)
        kind = type(f"Taught{kind.__name__}", (lesson.loss_class, kind), {"lesson": lesson})
    divides = shared_by == "zero1"
    optimizer = make_optimizer(loaded.model, config.learning_rate, config.optimizer, is_divided=divides)
    trainer = kind(
        model=loaded.model,
        args=SFTConfig(**shared, max_length=None, shuffle_dataset=False),  # cut while encoding
        train_dataset=Dataset.from_list([{"input_ids": s.ids, "labels": s.labels} for s in ordered]),
        processing_class=loaded.tokenizer,
        data_collator=lambda rows: collate([Encoded(r["input_ids"], r["labels"], 0) for r in rows], pad),
        callbacks=[make_callback(reporter)],
        optimizers=(optimizer, None),
    )
    # The loss is divided by the labelled tokens of the whole accumulated batch.
    trainer.model_accepts_loss_kwargs = True
    trainer.loss_is_scaled_for_ga = True
    return trainer
