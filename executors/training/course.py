"""The course of one training: rows in their order, measured on the way, retried, resumed and stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from executors.protocol import Inputs, Say
from executors.training import group, setup
from executors.training.config import TrainingConfig
from executors.training.loop import Training, keep_threads, train
from executors.training.memory import release
from executors.training.reporter import Measured, Reporter

HELD_OUT_ROWS = 32
"""Held-out rows that are measured during a training; the evaluation step measures on more."""


@dataclass(frozen=True)
class Course:
    """What a training runs through, and what tells of it."""

    executor: str
    digest: str
    """Of the rows: checkpoints of other rows are not gone on with."""
    steps: int
    tokens: Sequence[int]
    """Of each step; empty where they are not known beforehand."""
    build: Callable[[int, int, Reporter], Any]
    """(micro-batch, accumulation, reporter) -> trainer."""
    measure: Callable[[Any], list[Measured]]
    """What a trainer's model does on held-out rows, which steers."""
    times: int = 4
    """How often that is measured."""
    loss_unit: str = ""


def follow(course: Course, config: TrainingConfig, inputs: Inputs, say: Say) -> Any:
    """Train to the end and return the trainer. Raises what `train` raises."""
    root = setup.scratch_root(inputs)
    threads = keep_threads(root, inputs.threads)
    current: list[Any] = []
    reporter = Reporter(
        say,
        course.tokens,
        lambda: course.measure(current[-1]),
        save_steps=config.save_steps or 0,
        eval_steps=config.eval_steps or max(1, course.steps // course.times),
        patience=config.patience,
        loss_unit=course.loss_unit,
    )

    def build(micro_batch: int, accumulation: int) -> Any:
        if current:  # a failed attempt: its weights and states must be gone before the next takes memory
            reporter.keep = lambda step: None
            current.clear()
            release()
        current.append(course.build(micro_batch, accumulation, reporter))
        return current[-1]

    share = group.share_batch(config.micro_batch, config.accumulation, group.size())
    about = setup.about(config, inputs, course.executor, course.digest, course.steps, threads)
    return train(Training(build, reporter, root, about, *share, keep_best=config.keep_best), say)


def digest_of(rows: Sequence[Any]) -> str:
    """SHA-256 of rows that are plain values."""
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
