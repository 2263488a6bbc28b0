"""The loss of a student beside its teacher, put in front of a trainer: probabilities, hidden states, own answers.

`Lesson` holds what is taught; `TeacherLoss` replaces the loss of a trainer made by `executors.training.engine`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.datasets.render import IGNORED, Encoded
from executors.distill.chunked import chunked_loss, head_of, trained_weights
from executors.distill.config import Config
from executors.distill.losses import jensen_shannon, layer_pairs, mixed_loss, state_loss
from executors.distill.states import blocks_of, run_for_states
from executors.distill.writing import write
from executors.models.head import predicting
from executors.training.order import collate

PROJECTIONS = "distill_projections"
"""Name under which learned projections hang on the student while it trains."""


class Lesson:
    """A frozen teacher and what of it is taught. `kept`: the teacher's layers that the student was cut from."""

    def __init__(self, config: Config, teacher: Any, pad: int, kept: list[int] | None = None) -> None:
        self.config, self.teacher, self.pad, self._kept = config, teacher, pad, kept
        self.pairs: list[tuple[int, int]] = []
        self.loss_class: type = TeacherLoss
        teacher.eval().requires_grad_(False)

    def prepare(self, student: Any) -> None:
        """Choose the layers that correspond, and hang projections on the student where widths differ.

        Raises AdvisorError when `layer_map` names layers that are not there.
        """
        if self.config.form != "features":
            return
        import torch

        ours, theirs = len(blocks_of(student)), len(blocks_of(self.teacher))
        self.pairs = list(self.config.layer_map or layer_pairs(ours, theirs, self._kept))
        wrong = [pair for pair in self.pairs if not (0 <= pair[0] < ours and 0 <= pair[1] < theirs)]
        if wrong:
            why = f"the student has {ours} layers and the teacher {theirs}, counted from 0"
            raise AdvisorError(f"layer_map names the layers {wrong[0][0]} and {wrong[0][1]}", why=why)
        narrow, wide = (int(m.config.get_text_config().hidden_size) for m in (student, self.teacher))
        if narrow != wide:
            made = [torch.nn.Linear(narrow, wide, bias=False, device=student.device) for _ in self.pairs]
            student.add_module(PROJECTIONS, torch.nn.ModuleList(made))

    def finish(self, student: Any) -> None:
        """Take the projections off again: they are no part of the student."""
        if hasattr(student, PROJECTIONS):
            delattr(student, PROJECTIONS)

    def own_answers(self, student: Any, labels: Any, ids: Any) -> dict[str, Any]:
        """The batch with what the student itself writes to its prompts in the place of the data's answers."""
        prompts = [_prompt(row, marks) for row, marks in zip(ids.tolist(), labels.tolist(), strict=True)]
        found = write(student, self.pad, prompts, self.config.new_tokens, self.config.sampling)
        rows = [
            Encoded([*prompt, *one.ids], [*([IGNORED] * len(prompt)), *one.ids], number)
            for number, (prompt, one) in enumerate(zip(prompts, found, strict=True))
        ]
        return {name: tensor.to(ids.device) for name, tensor in collate(rows, self.pad).items()}

    def loss(self, model: Any, bare: Any, ids: Any, labels: Any) -> Any:
        """The summed loss over the labelled tokens; `model` is called, `bare` is the student inside it."""
        import torch

        positions = predicting(labels)
        targets = labels[:, 1:][positions[:, :-1]]
        hidden, ours = run_for_states(model, bare, ids, positions, [pair[0] for pair in self.pairs])
        with torch.no_grad():
            guide, theirs = run_for_states(self.teacher, self.teacher, ids, positions, [pair[1] for pair in self.pairs])
        total = self._by_probabilities(bare, hidden, guide, targets)
        if self.pairs:
            total = total + self.config.feature_weight * self._by_states(bare, ours, theirs)
        return total

    def _by_probabilities(self, student: Any, hidden: Any, guide: Any, targets: Any) -> Any:
        config = self.config
        vocabulary = min(m.get_output_embeddings().weight.shape[0] for m in (student, self.teacher))

        def rule(ours: Any, theirs: Any, where: slice) -> Any:
            ours = ours[:, :vocabulary]
            theirs = theirs[:, :vocabulary] if theirs is not None else None
            if config.form == "on-policy":
                return jensen_shannon(ours, theirs, config.divergence, config.temperature)
            return mixed_loss(ours, theirs, targets[where], config.temperature, config.teacher_share)

        weights = trained_weights(student)
        guide_head = head_of(self.teacher) if config.form == "on-policy" or config.teacher_share > 0 else None
        rows = student.get_output_embeddings().weight.shape[0]
        return chunked_loss(hidden, head_of(student), weights, guide, guide_head, rows, rule)

    def _by_states(self, student: Any, ours: Sequence[Any], theirs: Sequence[Any]) -> Any:
        projections = getattr(student, PROJECTIONS, None)
        total: Any = 0.0
        for number, (states, guide) in enumerate(zip(ours, theirs, strict=True)):
            seen = projections[number](states.float()) if projections is not None else states
            total = total + state_loss(seen, guide)
        return total / len(ours)


class TeacherLoss:
    """The loss of a `Lesson`. `lesson` is set after construction."""

    lesson: Lesson

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        trainer: Any = self
        bare = trainer.accelerator.unwrap_model(model)
        ids, labels = inputs["input_ids"], inputs["labels"]
        counted = num_items_in_batch if num_items_in_batch is not None else predicting(labels).sum()
        config = self.lesson.config
        # Python's generator is part of a checkpoint, so that a resumed training draws alike.
        if config.form == "on-policy" and random.random() < config.own_answers:
            own = self.lesson.own_answers(bare, labels, ids)
            ids, labels = own["input_ids"], own["labels"]
            counted = predicting(labels).sum() * trainer.current_gradient_accumulation_steps
        return self.lesson.loss(model, bare, ids, labels) / counted


def _prompt(ids: list[int], labels: list[int]) -> list[int]:
    """What stands before the first answer."""
    first = next((number for number, label in enumerate(labels) if label != IGNORED), len(ids))
    return ids[: max(1, first)]
