"""A reward model: learns from pairs of answers which of two is better, through TRL's RewardTrainer.

Bradley and Terry's model of comparisons on top of the model's own body, as in Ouyang et al. 2022, section 3.5. Gives a
model of kind `reward-model`, adapters folded in: whole, so that the policy's training can load it by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, Diagnostic
from advisor.domain.words import DataKind
from executors.align.config import REQUIRES, AlignConfig, wrong_kind
from executors.align.encode import Columns, encode_pairs
from executors.align.run import data_of
from executors.datasets import load
from executors.models.load import find_folder, load_tokenizer
from executors.protocol import Inputs, Machine, Say
from executors.training import setup
from executors.training.course import HELD_OUT_ROWS, Course, digest_of, follow
from executors.training.engine import make_class
from executors.training.optimizer import make_optimizer
from executors.training.order import count_steps, order_rows
from executors.training.preflight import check_data
from executors.training.reporter import Measured, Reporter, make_callback

__all__ = ["REQUIRES", "Config", "preflight", "run"]


class Config(AlignConfig):
    """Settings of a reward model; `method` says how its body is trained."""


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What is wrong before anything starts: no pairs to learn from."""
    if config.data.kind is not DataKind.PREFERENCES and "data" not in inputs.roles:
        return [wrong_kind(config, "a reward model", DataKind.PREFERENCES)]
    return [] if "data" in inputs.roles else check_data(config)


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Train the reward model from the body of `inputs.model` and write it below `out`."""
    spec = data_of(config, inputs)
    tokenizer = load_tokenizer(find_folder(inputs.path("model")))
    rows, held_out = (_whole(load(spec, side), tokenizer, config.seq_len) for side in ("train", "held-out"))
    held_out = held_out[:HELD_OUT_ROWS]
    steps = count_steps(len(rows), config.batch, config.epochs, config.max_steps)
    order = order_rows([_length(row) for row in rows], config.batch, steps, inputs.seed)
    ordered = [rows[row] for row in order]
    sizes = [len(row["chosen_ids"]) + len(row["rejected_ids"]) for row in ordered]
    tokens = [sum(sizes[at : at + config.batch]) for at in range(0, len(sizes), config.batch)]

    def build(micro_batch: int, accumulation: int, reporter: Reporter) -> Any:
        return _build(config, inputs, ordered, micro_batch, accumulation, reporter)

    def measured(trainer: Any) -> list[Measured]:
        return _measure(trainer.model, held_out)

    course = Course("align.reward", digest_of(ordered), steps, tokens, build, measured)
    trainer = follow(course, config, inputs, say)
    say.progress(steps, steps, "steps", "writing")
    model = trainer.model.merge_and_unload() if hasattr(trainer.model, "merge_and_unload") else trainer.model
    model.save_pretrained(out)
    trainer.processing_class.save_pretrained(out)


def load_reward_model(path: str | Path) -> tuple[Any, Any]:
    """A finished reward model in evaluation mode, and its tokenizer. Raises AdvisorError when it cannot be used."""
    folder = find_folder(str(path))
    return _load(folder, "auto").eval(), load_tokenizer(folder)


def _load(folder: Path, precision: Any) -> Any:
    from transformers import AutoModelForSequenceClassification

    from executors.models.device import choose_device, choose_dtype
    from executors.tensors.folder import open_model

    open_model(folder)  # refuses pickles, code and damage
    tokenizer = load_tokenizer(folder)
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            str(folder), num_labels=1, dtype=choose_dtype(precision), trust_remote_code=False, local_files_only=True,
            use_safetensors=True,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise AdvisorError(f"{folder} cannot serve as a reward model", why=str(error).splitlines()[0][:300]) from None
    model.config.pad_token_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return model.to(choose_device())


def _build(
    config: Config, inputs: Inputs, ordered: Sequence[Columns], micro_batch: int, accumulation: int, reporter: Reporter
) -> Any:
    from datasets import Dataset
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed
    from trl import RewardConfig, RewardTrainer

    set_seed(inputs.seed)
    folder = find_folder(inputs.path("model"))
    model = _load(folder, config.precision)
    setup.choose_attention(model, [_length(row) for row in ordered])
    if config.method != "full":
        settings = LoraConfig(task_type="SEQ_CLS", r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout,
                              target_modules="all-linear", modules_to_save=["score"])  # fmt: skip
        model = get_peft_model(model, settings, autocast_adapter_dtype=False)
    model.train()
    tokenizer = load_tokenizer(folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    shared = setup.arguments(config, inputs, len(ordered) // (micro_batch * accumulation), micro_batch, accumulation)
    return make_class(RewardTrainer, is_prepared=True)(
        model=model,
        args=RewardConfig(**shared, max_length=None),
        train_dataset=Dataset.from_list(list(ordered)),
        processing_class=tokenizer,
        callbacks=[make_callback(reporter)],
        optimizers=(make_optimizer(model, config.learning_rate, config.optimizer), None),
    )


def _whole(rows: Sequence[Any], tokenizer: Any, seq_len: int) -> list[Columns]:
    """`chosen_ids` and `rejected_ids`, each with its prompt."""
    return [
        {name: row["prompt_ids"] + row[name] for name in ("chosen_ids", "rejected_ids")}
        for row in encode_pairs(rows, tokenizer, seq_len)
    ]


def _length(row: Columns) -> int:
    return max(len(row["chosen_ids"]), len(row["rejected_ids"]))


def _measure(model: Any, held_out: Sequence[Columns]) -> list[Measured]:
    """Loss and accuracy of held-out pairs."""
    import torch
    from torch.nn.functional import logsigmoid

    margins = []
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for row in held_out:
            values = [
                model(input_ids=torch.tensor([row[name]], device=model.device), use_cache=False).logits[0, 0].float()
                for name in ("chosen_ids", "rejected_ids")
            ]
            margins.append(values[0] - values[1])
    model.train(was_training)
    found = torch.stack(margins)
    accuracy = float((found > 0).float().mean())
    return [
        Measured("reward_loss", float(-logsigmoid(found).mean()), "nats"),
        Measured("reward_accuracy", accuracy, "share", True),
    ]
