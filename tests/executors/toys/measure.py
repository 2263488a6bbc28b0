"""Measures what `count` left: the loss it was told to have, per example, a little different for each."""

from __future__ import annotations

import time
from pathlib import Path

from advisor.domain.base import Frozen
from advisor.domain.errors import Diagnostic
from advisor.domain.run import Evaluation, Metric
from executors.protocol import Inputs, Machine, Say

REQUIRES: tuple[str, ...] = ()


class Config(Frozen):
    baseline: float = 2.0
    examples: int = 16
    seconds: float = 0.0
    questions: int = 0
    """Questions whose share of right answers falls with the loss, from all at 0 to none at 2."""


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    return []


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    time.sleep(config.seconds)
    source = inputs.roles.get("adapter") or inputs.roles["model"]
    file = Path(source.path) / "loss.txt"
    loss = float(file.read_text()) if file.exists() else config.baseline
    values = tuple(loss * (1 + 0.01 * (n % 4)) for n in range(config.examples))
    mean = sum(values) / len(values)
    say.metric("held_out_loss", mean)
    metrics = (Metric(name="held_out_loss", value=mean, unit="nats", higher_is_better=False),)
    weights = {"held_out_loss": tuple(10.0 + n for n in range(config.examples))}
    per_example = {"held_out_loss": values}
    if config.questions:
        right = round(max(0.0, 1 - loss / 2) * config.questions)
        per_example["answer_accuracy"] = (1.0,) * right + (0.0,) * (config.questions - right)
        share = right / config.questions
        metrics += (
            Metric(name="answer_accuracy", value=share, unit="share"),
            Metric(name="answer_seconds", value=loss),
        )
    evaluation = Evaluation(metrics=metrics, per_example=per_example, weights=weights)
    (out / "evaluation.json").write_text(evaluation.model_dump_json())
