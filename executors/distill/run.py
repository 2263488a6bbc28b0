"""Runs one distillation: the student, the teacher, what is learnt, training, result."""

from __future__ import annotations

from pathlib import Path

from advisor.domain.errors import AdvisorError
from advisor.domain.words import ArtifactKind
from executors.artifact import publish, temporary, verify, write_manifest
from executors.distill.config import Config
from executors.protocol import Input, Inputs, Say
from executors.shrink.plan import STRUCTURE, kept_layers


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Teach `inputs.model` by `inputs.teacher` and write the adapter, or the model for method full, below `out`.

    Goes on after any interruption with what lies in `inputs.scratch`. Raises AdvisorError for unusable data or models,
    Stopped once a requested stop has been saved.
    """
    if not inputs.scratch:
        raise AdvisorError("a training step needs a scratch folder for its checkpoints")
    if inputs.threads:
        import torch

        torch.set_num_threads(inputs.threads)
    inputs = _with_student(config, inputs, say)
    if config.form in ("text", "synthetic"):
        from executors.distill.written import learn_written

        learn_written(config, inputs, out, say)
    else:
        _learn_by_token(config, inputs, out, say)
    if config.method == "full":
        _carry_structure(inputs, out)


def _with_student(config: Config, inputs: Inputs, say: Say) -> Inputs:
    """The inputs, with a student cut from the model where one is to be made."""
    if config.student_layers is None:
        return inputs
    folder = Path(inputs.scratch) / "student"
    if not verify(folder).is_whole:
        from executors import shrink

        say.log(f"the student is made by leaving out {config.student_layers:.0%} of the model's layers")
        settings = shrink.Config(method="depth", layers=config.student_layers, data=config.data, seq_len=128)
        made = temporary(folder)
        shrink.run(settings, inputs, made, say)
        write_manifest(made)
        publish(made, folder)
    student = Input(kind=ArtifactKind.CAUSAL_LM, path=str(folder))
    return inputs.model_copy(update={"roles": {**inputs.roles, "model": student}})


def _learn_by_token(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    from executors.distill.lesson import Lesson
    from executors.distill.teacher import load_teacher
    from executors.finetune.run import encode_data, train_sequences
    from executors.models.load import find_folder

    teacher = load_teacher(config, inputs, say)
    pad = teacher.tokenizer.pad_token_id or 0
    lesson = Lesson(config, teacher.model, pad, kept_layers(find_folder(inputs.path("model"))))
    sequences, held_out = encode_data(config, inputs, say)
    train_sequences(config, inputs, sequences, held_out, out, say, lesson)


def _carry_structure(inputs: Inputs, out: Path) -> None:
    """A student that was cut stays known as such: later distillations map its layers by it."""
    from executors.models.load import find_folder

    record = find_folder(inputs.path("model")) / STRUCTURE
    if record.is_file():
        (out / STRUCTURE).write_bytes(record.read_bytes())
