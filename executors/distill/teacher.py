"""The teacher: loaded, and where asked for first corrected, that is briefly fine-tuned on the data it will teach.

Teacher correction: Sreenivas et al. 2024 (Minitron in practice), arXiv 2408.11796, section 2.1.
"""

from __future__ import annotations

from pathlib import Path

from executors.artifact import publish, temporary, verify, write_manifest
from executors.distill.config import Config
from executors.finetune.config import Config as FinetuneConfig
from executors.finetune.run import run as finetune
from executors.models.load import Loaded, load_model
from executors.protocol import Inputs, Say


def load_teacher(config: Config, inputs: Inputs, say: Say) -> Loaded:
    """The teacher in evaluation mode, corrected if `teacher_steps` asks for it."""
    given = inputs.roles["teacher"]
    if not config.teacher_steps:
        return load_model(given.kind, given.path, config.precision)
    corrected = correct(config, inputs, say)
    if config.method == "full":
        return load_model(given.kind, str(corrected), config.precision)
    return load_model(given.kind, given.path, config.precision, adapter=str(corrected))


def correct(config: Config, inputs: Inputs, say: Say) -> Path:
    """The folder of the corrected teacher (an adapter unless `method` is full); made once, kept in the scratch."""
    folder = Path(inputs.scratch) / "teacher"
    if verify(folder).is_whole:
        return folder
    say.log(f"the teacher is fine-tuned on the data for {config.teacher_steps} steps first")
    own = set(FinetuneConfig.model_fields)
    settings = config.model_dump(exclude={name for name in type(config).model_fields if name not in own})
    tuned = FinetuneConfig(**{**settings, "max_steps": config.teacher_steps, "keep_best": False})
    roles = {"model": inputs.roles["teacher"]}
    training = inputs.model_copy(update={"roles": roles, "scratch": str(Path(inputs.scratch) / "teacher-training")})
    out = temporary(folder)
    finetune(tuned, training, out, say)
    write_manifest(out)
    publish(out, folder)
    return folder
