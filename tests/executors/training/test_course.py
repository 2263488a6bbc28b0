"""The frame of a training: what is built, measured and written down of it."""

from __future__ import annotations

import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from executors.protocol import Inputs
from executors.training.config import TrainingConfig
from executors.training.course import Course, digest_of, follow
from executors.training.reporter import Measured, Reporter

DATA = {"path": "builtin:stdlib", "kind": "instructions"}


@pytest.mark.parametrize(("told", "every"), [({}, 25), ({"eval_steps": 7}, 7), ({"max_steps": 1}, 25)])
def test_what_was_built_last_is_measured(told: dict[str, Any], every: int, tmp_path: Path, listener: Any) -> None:
    """After a retry with smaller micro-batches the new trainer is measured, as often as course or settings say."""
    built: list[Any] = []
    reporters: list[Reporter] = []

    def build(micro_batch: int, accumulation: int, reporter: Reporter) -> Any:
        def run(resume_from_checkpoint: str | None) -> None:
            if micro_batch > 4:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

        reporters.append(reporter)
        built.append(SimpleNamespace(train=run, args=SimpleNamespace(), state=SimpleNamespace(global_step=5)))
        return built[-1]

    measured: list[Any] = []

    def measure(trainer: Any) -> list[Measured]:
        measured.append(trainer)
        return [Measured("held_out_loss", 0.0)]

    config = TrainingConfig.model_validate({"data": DATA, "keep_best": False, **told})
    course = Course("finetune", digest_of([1]), 100, [1], build, measure)
    trainer = follow(course, config, Inputs(roles={}, scratch=str(tmp_path), threads=1), listener)
    assert len(built) == 2 and trainer is built[1]
    reporters[-1].measure()
    assert measured == [built[1]]
    assert reporters[-1].eval_steps == every


class Trainer(SimpleNamespace):
    """One of which it can be seen whether it is still there."""


def test_a_failed_attempt_is_gone_before_the_next_takes_memory(tmp_path: Path, listener: Any) -> None:
    """Its trainer holds weights, gradients and states, and refers to itself: beside it a retry has no room."""
    built: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def build(micro_batch: int, accumulation: int, reporter: Reporter) -> Any:
        def run(resume_from_checkpoint: str | None) -> None:
            if micro_batch > 2:
                raise RuntimeError("CUDA out of memory")

        alive.append(sum(trainer() is not None for trainer in built))
        found = Trainer(train=run, args=SimpleNamespace(), state=SimpleNamespace(global_step=5))
        found.itself = found
        built.append(weakref.ref(found))
        return found

    config = TrainingConfig.model_validate({"data": DATA, "micro_batch": 8})
    course = Course("finetune", digest_of([1]), 100, [1], build, lambda trainer: [])
    follow(course, config, Inputs(roles={}, scratch=str(tmp_path), threads=1), listener)
    assert alive == [0, 0, 0]


def test_other_rows_have_another_digest() -> None:
    """Their order counts, too."""
    assert digest_of([{"a": [1]}, {"a": [2]}]) != digest_of([{"a": [2]}, {"a": [1]}])
