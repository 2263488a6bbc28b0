"""What is put in front of a TRL trainer: our checkpoints instead of pickles, and a stop before a bad number spreads.

`make_class(SFTTrainer)` gives the class to use. It works for every trainer of TRL that derives from transformers'
`Trainer`; `AnswerLoss` is for supervised training only. The overridden methods are those of transformers 5.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, ExitCode
from executors.artifact import Manifest
from executors.models.head import frozen_head, hidden_at, only_at, predicting
from executors.training import checkpoint
from executors.training.sharding import ShardedModel


class VerifiedCheckpoints:
    """Saving and resuming through `executors.training.checkpoint`. The attributes are set after construction."""

    root: Path
    about: Manifest
    reporter: Any

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()  # type: ignore[misc]
        trainer: Any = self
        # Of several visible GPUs one process uses one: DataParallel's copies of the model would multiply the batch and
        # share what fused adapters hold of the original. Here, before the Trainer reads its batch size.
        trainer.args._n_gpu = min(trainer.args.n_gpu, 1)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        trainer: Any = self
        checkpoint.save(self.root, trainer.state.global_step, trainer, self.about)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        trainer: Any = self
        checkpoint.restore_weights(Path(resume_from_checkpoint), model or trainer.model)

    def _load_optimizer_and_scheduler(self, checkpoint_folder: str | None) -> None:
        trainer: Any = self
        if checkpoint_folder is not None:
            checkpoint.restore_optimizer(Path(checkpoint_folder), trainer.optimizer, trainer.lr_scheduler)

    def _load_rng_state(self, checkpoint_folder: str | None) -> None:
        if checkpoint_folder is not None:
            checkpoint.restore_randomness(Path(checkpoint_folder))


class FiniteNumbers:
    """Ends the training when loss or gradient is not a number, before the optimizer has moved."""

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        loss = super().training_step(model, inputs, num_items_in_batch)  # type: ignore[misc]
        self._check("loss", float(loss))
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)  # type: ignore[misc]
        self._check("gradient", float(norm))
        return norm

    def _check(self, name: str, value: float) -> None:
        trainer: Any = self
        if not math.isfinite(value):
            raise AdvisorError(
                f"training stopped: the {name} became {value} at step {trainer.state.global_step + 1}",
                why="most often the learning rate is too high or the data holds extreme values; no weight was changed",
                hint="lower learning_rate, or set precision to fp32",
                code=ExitCode.RUN_FAILED,
            )


class AnswerLoss:
    """Cross-entropy of the labelled tokens, with logits computed for them alone.

    On CUDA TRL's own fused kernel does that. Elsewhere it would project every position, prompts and padding included,
    which on a small model with a large vocabulary is the largest single cost of a step.
    """

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        from torch.nn.functional import cross_entropy

        from executors.training.head_loss import head_loss

        trainer: Any = self
        labels = inputs["labels"]
        if labels.is_cuda or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)  # type: ignore[misc]
        positions = predicting(labels)
        targets = labels[:, 1:][positions[:, :-1]]
        inner = trainer.accelerator.unwrap_model(model)
        head = frozen_head(inner)
        # Padding stands on the right, where a causal model cannot see it, so no mask is needed.
        with only_at(inner, positions) if head is None else hidden_at(inner, head, positions):
            found = model(input_ids=inputs["input_ids"], use_cache=False).logits[0]
        counted = num_items_in_batch if num_items_in_batch is not None else targets.numel()
        if head is None:
            loss = cross_entropy(found.float(), targets, reduction="sum") / counted
        else:
            loss = head_loss(found, head.weight, targets) / counted
        # Labels are counted over all processes, and their gradients averaged.
        return loss * trainer.accelerator.num_processes if num_items_in_batch is not None else loss


class PreparedData:
    """The data set stands as the trainer's collator reads it: nothing is rendered, cut or dropped once more."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def tokenize_row(self, feature: Any, *_: Any, **__: Any) -> Any:
        return feature


def make_class(base: type, *, answers_only: bool = False, is_prepared: bool = False, is_sharded: bool = False) -> Any:
    """`base` with verified checkpoints and the check of numbers, and with what else is asked for."""
    parts = (*((AnswerLoss,) if answers_only else ()), *((PreparedData,) if is_prepared else ()))
    parts = (*((ShardedModel,) if is_sharded else ()), *parts)
    return type(f"Verified{base.__name__}", (VerifiedCheckpoints, FiniteNumbers, *parts, base), {})
