"""Runs DPO, ORPO or KTO: judged answers, model, trainer of TRL, result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from advisor.domain.plan import DataSpec
from advisor.domain.words import DataKind
from executors.align.config import Config, check_marks
from executors.align.encode import Columns, encode_marked, encode_pairs, length
from executors.align.measure import measure_marked, measure_pairs
from executors.datasets import load
from executors.datasets.rows import Feedback, Preference
from executors.models.load import find_folder, load_tokenizer
from executors.protocol import Inputs, Say
from executors.training import setup
from executors.training.config import TrainingConfig
from executors.training.course import HELD_OUT_ROWS, Course, digest_of, follow
from executors.training.engine import make_class
from executors.training.optimizer import make_optimizer
from executors.training.order import count_steps, order_rows
from executors.training.reporter import Measured, Reporter, make_callback


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Align `inputs.model` and write the adapter, or the model for method full, below `out`.

    The data is that of the configuration, or the folder of the role `data` that an earlier step made. Resumes,
    retries and stops as every training does. Raises AdvisorError for unusable data or model.
    """
    spec = data_of(config, inputs)
    tokenizer = load_tokenizer(find_folder(inputs.path("model")))
    rows, held_out = load(spec, "train"), load(spec, "held-out")[:HELD_OUT_ROWS]
    say.progress(0, len(rows), "rows", "reading")
    columns = _encoded(config, rows, tokenizer)
    train_judged(config, inputs, columns, _measurer(config, held_out), out, say)


def data_of(config: TrainingConfig, inputs: Inputs) -> DataSpec:
    """The data to learn from: what an earlier step made stands before what the plan names."""
    if "data" not in inputs.roles:
        return config.data
    return DataSpec(path=inputs.path("data"), kind=DataKind.PREFERENCES)


def train_judged(
    config: Config,
    inputs: Inputs,
    columns: Sequence[Columns],
    measure: Callable[[Any, Any], list[Measured]],
    out: Path,
    say: Say,
) -> None:
    """Train on encoded answers; `measure(model, tokenizer)` steers."""
    steps = count_steps(len(columns), config.batch, config.epochs, config.max_steps)
    order = order_rows([length(c) for c in columns], config.batch, steps, inputs.seed)
    ordered = [dict(columns[row]) for row in order]
    if config.objective == "kto":
        _mismatch(ordered, config.batch)
    tokens = [sum(map(_tokens, ordered[at : at + config.batch])) for at in range(0, len(ordered), config.batch)]
    say.log(f"{len(columns)} judged answers, {steps} steps of {config.batch}, {sum(tokens)} tokens")

    def build(micro_batch: int, accumulation: int, reporter: Reporter) -> Any:
        return _build(config, inputs, ordered, micro_batch, accumulation, reporter)

    def measured(trainer: Any) -> list[Measured]:
        return measure(trainer.model, trainer.processing_class)

    course = Course("align", digest_of(ordered), steps, tokens, build, measured)
    trainer = follow(course, config, inputs, say)
    setup.report_share(trainer.model, config, say)
    say.progress(steps, steps, "steps", "writing")
    setup.write_result(trainer, config, inputs, out)


def _encoded(config: Config, rows: Sequence[Any], tokenizer: Any) -> list[Columns]:
    if config.objective == "kto":
        return encode_marked(check_marks(rows), tokenizer, config.seq_len)
    return encode_pairs([row for row in rows if isinstance(row, Preference)], tokenizer, config.seq_len)


def _measurer(config: Config, held_out: Sequence[Any]) -> Callable[[Any, Any], list[Measured]]:
    if config.objective == "kto":
        return measure_marked([row for row in held_out if isinstance(row, Feedback)], config.seq_len)
    return measure_pairs([row for row in held_out if isinstance(row, Preference)], config.seq_len)


def _tokens(columns: Columns) -> int:
    """Tokens that pass through the model for one row."""
    answers = [columns[key] for key in ("chosen_ids", "rejected_ids", "completion_ids") if key in columns]
    return sum(len(columns["prompt_ids"]) + len(answer) for answer in answers)


def _mismatch(ordered: list[Columns], batch: int) -> None:
    """Give every row the answer of another row of its batch, by which KTO estimates how far the model has moved.

    TRL does it per micro-batch; here per effective batch, so that too little memory changes no data.
    """
    for at in range(0, len(ordered), batch):
        part = ordered[at : at + batch]
        answers = [row["completion_ids"] for row in part]
        for row, other in zip(part, [answers[-1], *answers[:-1]], strict=True):
            row["KL_completion_ids"] = other


def _build(
    config: Config, inputs: Inputs, ordered: Sequence[Columns], micro_batch: int, accumulation: int, reporter: Reporter
) -> Any:
    from datasets import Dataset

    loaded = setup.load_trainable(config, inputs, [length(c) for c in ordered])
    steps = len(ordered) // (micro_batch * accumulation)
    shared = setup.arguments(config, inputs, steps, micro_batch, accumulation)
    base, arguments, extra = _trainer(config, inputs, shared)
    if loaded.tokenizer.pad_token is None:
        loaded.tokenizer.pad_token = loaded.tokenizer.eos_token
    rows = list(ordered) if config.objective != "orpo" else [_orpo(row) for row in ordered]
    trainer = make_class(base, is_prepared=True)(
        model=loaded.model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=loaded.tokenizer,
        callbacks=[make_callback(reporter)],
        optimizers=(make_optimizer(loaded.model, config.learning_rate, config.optimizer), None),
        **extra,
    )
    return trainer


def _trainer(config: Config, inputs: Inputs, shared: dict[str, Any]) -> tuple[type, Any, dict[str, Any]]:
    """TRL's trainer and arguments of an objective, and the reference where all weights are trained."""
    if config.objective == "orpo":
        from trl.experimental.orpo import ORPOConfig, ORPOTrainer

        # Its collator pads what is already cut; columns stay as they are.
        return ORPOTrainer, ORPOConfig(**shared, beta=config.beta, max_length=config.seq_len), {}
    extra: dict[str, Any] = {}
    if config.method == "full":
        extra["ref_model"] = setup.load_base(config, inputs).model.requires_grad_(False)
    if config.objective == "dpo":
        from trl import DPOConfig, DPOTrainer

        return DPOTrainer, DPOConfig(**shared, beta=config.beta, max_length=None), extra
    from trl import KTOConfig, KTOTrainer

    return KTOTrainer, KTOConfig(**shared, beta=config.beta, max_length=None), extra


def _orpo(row: Columns) -> Columns:
    """A pair as ORPO's collator reads it."""
    prompt, columns = row["prompt_ids"], {"prompt_input_ids": row["prompt_ids"]}
    columns["prompt_attention_mask"] = [1] * len(prompt)
    for name in ("chosen", "rejected"):
        ids = prompt + row[f"{name}_ids"]
        columns[f"{name}_input_ids"] = ids
        columns[f"{name}_attention_mask"] = [1] * len(ids)
        columns[f"{name}_labels"] = [-100] * len(prompt) + row[f"{name}_ids"]
    return columns
