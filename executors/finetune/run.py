"""Runs one supervised fine-tuning: data, model, trainer, training, result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, Severity
from advisor.domain.words import ArtifactKind
from executors.artifact import Manifest
from executors.datasets import load
from executors.datasets.render import Encoded, encode
from executors.finetune.adapters import add_adapter, save_adapter
from executors.finetune.config import Config
from executors.models.load import find_folder, load_model, load_tokenizer
from executors.protocol import Inputs, Say
from executors.training.engine import make_class
from executors.training.loop import Training, keep_threads, train
from executors.training.optimizer import make_optimizer
from executors.training.order import collate, count_steps, order_rows
from executors.training.reporter import Reporter, make_callback

HELD_OUT_ROWS = 32
"""Held-out rows whose loss is followed during training; the evaluation step measures on more."""
HELD_OUT_TIMES = 4
MAX_GRAD_NORM = 1.0
SHORT_SEQUENCE = 128
"""Mean tokens up to which plain attention is faster on the CPU."""
DECIDING_LIBRARIES = ("torch", "transformers", "trl", "peft")


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Fine-tune `inputs.model` and write the adapter, or the model for method full, below `out`.

    Goes on from the newest whole checkpoint in `inputs.scratch`; on the CPU the result is bit-identical to that of an
    unbroken run. Raises AdvisorError for unusable data or model, Stopped once a requested stop has been saved.
    """
    if not inputs.scratch:
        raise AdvisorError("a training step needs a scratch folder for its checkpoints")
    root = Path(inputs.scratch) / "checkpoints"
    threads = keep_threads(root, inputs.threads)
    sequences, held_out = _encode(config, inputs, say)
    batch = config.micro_batch * config.accumulation
    steps = count_steps(len(sequences), batch, config.epochs, config.max_steps)
    order = order_rows([len(s.ids) for s in sequences], batch, steps, inputs.seed)
    tokens = [sum(len(sequences[row].ids) for row in order[at : at + batch]) for at in range(0, len(order), batch)]
    say.log(f"{len(sequences)} sequences, {steps} steps of {batch} sequences, {sum(tokens)} tokens")

    current: list[Any] = []
    reporter = Reporter(
        say,
        tokens,
        lambda: _held_out_loss(current[-1], held_out),
        save_steps=config.save_steps or 0,
        eval_steps=config.eval_steps or max(1, steps // HELD_OUT_TIMES),
    )

    def build(micro_batch: int, accumulation: int) -> Any:
        current.clear()
        trainer = _build(config, inputs, [sequences[row] for row in order], micro_batch, accumulation, reporter)
        current.append(trainer.model)
        return trainer

    about = _about(config, inputs, sequences, steps, threads)
    training = Training(build, reporter, root, about, config.micro_batch, config.accumulation)
    trainer = train(training, say)
    say.progress(steps, steps, "steps", "writing")
    _write(trainer, config, inputs, out)


def _encode(config: Config, inputs: Inputs, say: Say) -> tuple[list[Encoded], list[Encoded]]:
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
    return sequences, held_out[:HELD_OUT_ROWS]


def _held_out_loss(model: Any, held_out: Sequence[Encoded]) -> float:
    from executors.metrics.answers import answer_losses, mean_loss

    return mean_loss(answer_losses(model, held_out))


def _about(config: Config, inputs: Inputs, sequences: Sequence[Encoded], steps: int, threads: int) -> Manifest:
    """What decides the result, recorded in every checkpoint. How a batch is cut into micro-batches does not belong."""
    from importlib.metadata import version

    digest = hashlib.sha256()
    for sequence in sequences:
        digest.update(json.dumps([sequence.ids, sequence.labels]).encode())
    apart = {"data", "micro_batch", "accumulation", "save_steps", "eval_steps"}
    settings = config.model_dump(mode="json", exclude=apart)
    batch = config.micro_batch * config.accumulation
    return Manifest(
        kind="checkpoint",
        executor="finetune",
        config={**settings, "batch": batch, "steps": steps, "data": digest.hexdigest()},
        seed=inputs.seed,
        threads=threads,
        versions={name: version(name) for name in DECIDING_LIBRARIES},
    )


def _load_base(config: Config, inputs: Inputs) -> Any:
    kind = inputs.roles["model"].kind
    quantization = None
    if config.method == "qlora" and kind != ArtifactKind.QUANTIZED_LM:
        from transformers import BitsAndBytesConfig

        from executors.models.device import choose_dtype

        # Dettmers et al. 2023, QLoRA: NormalFloat4 with doubly quantized scales.
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=choose_dtype(config.precision),
        )
    return load_model(kind, inputs.path("model"), config.precision, quantization=quantization)


def _build(
    config: Config, inputs: Inputs, ordered: Sequence[Encoded], micro_batch: int, accumulation: int, reporter: Reporter
) -> Any:
    """A trainer over a freshly loaded model. `ordered` are the sequences in the order of training."""
    from datasets import Dataset
    from transformers import set_seed
    from trl import SFTTrainer

    set_seed(inputs.seed)
    loaded = _load_base(config, inputs)
    _choose_attention(loaded.model, ordered)
    model = loaded.model if config.method == "full" else add_adapter(loaded.model, config)
    model.train()
    pad = loaded.tokenizer.pad_token_id or 0
    trainer = make_class(SFTTrainer, answers_only=True)(
        model=model,
        args=_arguments(config, inputs, len(ordered), micro_batch, accumulation),
        train_dataset=Dataset.from_list([{"input_ids": s.ids, "labels": s.labels} for s in ordered]),
        processing_class=loaded.tokenizer,
        data_collator=lambda rows: collate([Encoded(r["input_ids"], r["labels"], 0) for r in rows], pad),
        callbacks=[make_callback(reporter)],
        optimizers=(make_optimizer(model, config.learning_rate), None),
    )
    # The loss is divided by the labelled tokens of the whole accumulated batch.
    trainer.model_accepts_loss_kwargs = True
    trainer.loss_is_scaled_for_ga = True
    return trainer


def _choose_attention(model: Any, sequences: Sequence[Encoded]) -> None:
    """Plain attention for short sequences on the CPU: the backward pass of the fused kernel costs more than it saves.

    Measured with SmolLM2-135M in bfloat16 on one core: 16x64 tokens 466 against 350 tokens/s, 8x256 274 against 382.
    """
    mean = sum(len(sequence.ids) for sequence in sequences) / len(sequences)
    if model.device.type == "cpu" and mean <= SHORT_SEQUENCE:
        model.set_attn_implementation("eager")


def _arguments(config: Config, inputs: Inputs, rows: int, micro_batch: int, accumulation: int) -> Any:
    import torch
    from trl import SFTConfig

    return SFTConfig(
        output_dir=str(Path(inputs.scratch) / "trainer"),
        num_train_epochs=1,
        max_steps=rows // (micro_batch * accumulation),
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup,
        max_grad_norm=MAX_GRAD_NORM,
        gradient_checkpointing=config.gradient_checkpointing,
        max_length=None,  # cut while encoding
        train_sampling_strategy="sequential",  # the rows stand in the order of training already
        shuffle_dataset=False,
        save_strategy="no",  # the reporter says when
        eval_strategy="no",
        logging_steps=1,
        logging_nan_inf_filter=False,
        bf16=False,  # the weights themselves have the wanted format; autocast would only add casts
        fp16=False,
        use_cpu=not torch.cuda.is_available(),
        seed=inputs.seed,
        data_seed=inputs.seed,
        dataloader_pin_memory=torch.cuda.is_available(),
        disable_tqdm=True,
        report_to=[],
        push_to_hub=False,
    )


def _write(trainer: Any, config: Config, inputs: Inputs, out: Path) -> None:
    """The result: adapters with their full-precision masters, a whole model in the format it was trained in."""
    path = inputs.path("model")
    base = path if not Path(path).expanduser().exists() else Path(path).name
    if config.method == "full":
        trainer.model.save_pretrained(out)
    else:
        for parameter, master in trainer.optimizer.optimizer.pairs:
            parameter.data = master.data
        save_adapter(trainer.model, out, base)
    trainer.processing_class.save_pretrained(out)
