"""What a distillation may be told, and what can be said against it before it starts. Loads no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from advisor.domain.errors import Diagnostic
from advisor.domain.words import DataKind
from executors.finetune import config as finetune
from executors.protocol import Inputs, Machine
from executors.training.config import REQUIRES

__all__ = ["BY_TOKEN", "REQUIRES", "Config", "milder", "preflight"]

milder = finetune.milder

BY_TOKEN = ("logits", "features", "on-policy")
"""Forms that compare the two models token by token, and so need one vocabulary."""
ASKED = (DataKind.INSTRUCTIONS, DataKind.QA_PAIRS, DataKind.TOOL_CALLS, DataKind.PREFERENCES)
"""Kinds of data that hold questions, for the forms in which somebody answers them."""
_READ_BY = {
    "temperature": BY_TOKEN,
    "teacher_share": ("logits", "features"),
    "feature_weight": ("features",),
    "layer_map": ("features",),
    "divergence": ("on-policy",),
    "own_answers": ("on-policy",),
    "sampling": ("on-policy", "text", "synthetic"),
    "new_tokens": ("on-policy", "text", "synthetic"),
    "written_rows": ("text", "synthetic"),
    "similarity": ("synthetic",),
    "kept_share": ("synthetic",),
}


class Config(finetune.Config):
    """Settings of one distillation. The data's training side is learnt on, its held-out side steers."""

    form: Literal["logits", "text", "features", "on-policy", "synthetic"] = "logits"
    method: Literal["full", "lora", "qlora", "dora"] = "full"
    temperature: float = Field(default=2.0, gt=0, le=100)
    """Both models' probabilities are softened by it. Read by logits, features and on-policy."""
    teacher_share: float = Field(default=0.5, ge=0, le=1)
    """Share of the teacher's probabilities in the loss; the rest are the labels. Read by logits and features."""
    feature_weight: float = Field(default=1.0, gt=0)
    """features: weight of the hidden states beside that loss."""
    layer_map: tuple[tuple[int, int], ...] | None = None
    """features: pairs of a student's and the teacher's layer, from 0; None: all, in proportion or as they were cut."""
    divergence: float = Field(default=0.5, ge=0, le=1)
    """on-policy: 0 is KL(teacher || student), 1 KL(student || teacher), between them Jensen-Shannon."""
    own_answers: float = Field(default=1.0, ge=0, le=1)
    """on-policy: share of the batches that the student writes itself; the others are the data's answers."""
    sampling: float = Field(default=0.7, ge=0, le=10)
    """Temperature of what is written; 0: the likeliest word each time. Read by on-policy, text and synthetic."""
    new_tokens: int = Field(default=64, ge=1, le=32_768)
    """Longest answer that is written. Read by on-policy, text and synthetic."""
    written_rows: int = Field(default=256, ge=4, le=10_000_000)
    """text: questions that the teacher answers, at most; synthetic: rows that it writes before they are filtered."""
    similarity: float = Field(default=0.7, gt=0, le=1)
    """synthetic: a question that shares more of its word triples with a kept or held-out one is dropped."""
    kept_share: float = Field(default=0.8, gt=0, le=1)
    """synthetic: of the rows left, those whose answers the teacher finds likeliest."""
    teacher_steps: int = Field(default=0, ge=0)
    """Steps that the teacher itself is fine-tuned on the data first (teacher correction); 0: none."""
    student_layers: float | None = Field(default=None, gt=0, lt=1)
    """Share of the model's layers left out to make the student; None: the model given is the student."""

    @model_validator(mode="after")
    def _is_read_by_the_form(self) -> Config:
        for name, forms in _READ_BY.items():
            # A written-out configuration holds every default.
            if getattr(self, name) != type(self).model_fields[name].default and self.form not in forms:
                raise ValueError(f"`{name}` means nothing to the form {self.form}; it is for {', '.join(forms)}")
        if self.student_layers is not None and self.method != "full":
            raise ValueError(
                "a student that this step makes is trained whole: set method: full, or prune in a step before"
            )
        return self


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What is wrong before anything starts: data, a missing or quantized teacher, another vocabulary."""
    from executors.distill.vocabulary import check_vocabulary
    from executors.tensors.checks import check_model, danger

    if config.form in ("on-policy", "text", "synthetic") and config.data.kind not in ASKED:
        text = f"data of kind {config.data.kind} asks nothing that could be answered"
        return [danger("data-kind", text, hint="give instructions or question-answer pairs, or take form: logits")]
    found = [*finetune.preflight(config, inputs, machine), *finetune.check_alone(config, "a distillation")]
    teacher, trouble = check_model(inputs, "teacher")
    # A quantized teacher only reads and writes: nothing of it is rounded again.
    found += [d for d in trouble if d.code != "quantized-input" or config.teacher_steps]
    student, trouble = check_model(inputs)
    found += [d for d in trouble if d.code != "quantized-input" or config.student_layers is not None]
    if teacher is not None and student is not None and config.form in BY_TOKEN:
        found += check_vocabulary(student.path, teacher.path)
    return found
