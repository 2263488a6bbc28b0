"""Turns what the Trainer does into events, steers by held-out data, and makes a checkpoint of the wish to stop.

Loss, learning rate, gradient norm and tokens per second are reported at most a few times a second, so a fast model
cannot flood the log; the first and the last step always are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from executors.protocol import Say
from executors.training.group import agreed

QUIET_SECONDS = 0.25
SAVE_SECONDS = 30.0
"""Time between checkpoints when no number of steps is given."""
SAVE_SHARE = 0.02
"""Share of the time that checkpoints may take when no number of steps is given."""
PASSED_ON = {
    "rewards/margins": ("reward_margin", ""),
    "rewards/accuracies": ("reward_accuracy", "share"),
    "margin": ("reward_margin", ""),
    "accuracy": ("reward_accuracy", "share"),
    "reward": ("mean_reward", ""),
    "kl": ("kl", "nats"),
    "completions/mean_length": ("answer_length", "tokens"),
}
"""What TRL's trainers log beside loss and learning rate, and the names it is reported by."""


class Measured(NamedTuple):
    """One quantity measured on held-out data. The first of a measurement steers the training."""

    name: str
    value: float
    unit: str = ""
    is_better_higher: bool = False

    @property
    def cost(self) -> float:
        """Lower is better."""
        return -self.value if self.is_better_higher else self.value


class Reporter:
    """The callback, without its base class (`make_callback` adds it). One instance per training.

    `tokens[i]` is the number of tokens of optimizer step i; empty where it is not known beforehand. `measure` measures
    the model on held-out data. `save_steps`, `eval_steps`: 0 leaves the moment of saving to the clock, and measuring to
    the end. `patience`: measurements without a new best after which training ends early.
    """

    def __init__(
        self,
        say: Say,
        tokens: Sequence[int],
        measure: Callable[[], list[Measured]],
        save_steps: int,
        eval_steps: int,
        patience: int | None = None,
        loss_unit: str = "nats/token",
    ) -> None:
        self.say, self.tokens, self.measure = say, tokens, measure
        self.save_steps, self.eval_steps = save_steps, eval_steps
        self.patience, self.loss_unit = patience, loss_unit
        self.is_stopped = False
        self.history: list[tuple[int, float]] = []
        """(step, cost) of every measurement; a checkpoint keeps it, so that a resumed training decides alike."""
        self.keep: Callable[[int], None] = lambda step: None
        """Called when a step is the best so far and not the last."""
        self._said = self._began = self._saved = 0.0
        self._save_cost = 0.0
        self._rate = 0.0

    @property
    def best_step(self) -> int | None:
        """The step of the lowest cost, the earliest of equals; None before the first measurement in training."""
        trained = [(cost, step) for step, cost in self.history if step]
        return min(trained)[1] if trained else None

    @property
    def is_over_early(self) -> bool:
        """Whether `patience` measurements brought no new best."""
        since = [step for step, _ in self.history if self.best_step is not None and step > self.best_step]
        return self.patience is not None and len(since) >= self.patience

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._saved = time.monotonic()
        if state.global_step == 0 and self.eval_steps:
            self._measure(0, False)
        self.say.progress(state.global_step, state.max_steps, "steps", "training")

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        step = state.global_step
        now = time.monotonic()
        if self.tokens:
            rate = self.tokens[step - 1] / max(now - self._began, 1e-9)
            self._rate = rate if not self._rate else 0.8 * self._rate + 0.2 * rate
        is_last = step >= state.max_steps
        if (self.eval_steps and step % self.eval_steps == 0) or is_last:
            self._measure(step, is_last)
        self.is_stopped = not is_last and not self.is_over_early and self.say.should_stop()
        is_ending = self.is_stopped or self.is_over_early
        control.should_training_stop = control.should_training_stop or is_ending
        # Asked at every step, by the first process's clock: all of a group gather what is saved.
        is_due = bool(agreed(self._is_due(step, now)))
        control.should_save = is_ending or is_last or is_due
        if control.should_save:
            self._saved = time.monotonic()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        now = time.monotonic()
        self._save_cost, self._saved = now - self._saved, now

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        step, now = state.global_step, time.monotonic()
        if not logs or "loss" not in logs or not (now - self._said >= QUIET_SECONDS or step in (1, state.max_steps)):
            return
        self._said = now
        self.say.progress(step, state.max_steps, "steps", "training")
        self.say.metric("loss", logs["loss"], self.loss_unit, step)
        if self.tokens:
            self.say.metric("tokens_per_second", self._rate, "tokens/s", step)
        self.say.metric("learning_rate", logs["learning_rate"], "", step)
        if "grad_norm" in logs:
            self.say.metric("grad_norm", logs["grad_norm"], "", step)
        for key, (name, unit) in PASSED_ON.items():
            if key in logs:
                self.say.metric(name, float(logs[key]), unit, step)

    def _measure(self, step: int, is_last: bool) -> None:
        found = self.measure()
        for one in found:
            self.say.metric(one.name, one.value, one.unit, step)
        # The history says when training ends and which weights are kept, which a group must do together.
        cost = agreed(found[0].cost)
        # Steps repeated after an interruption are measured again.
        self.history = [(s, known) for s, known in self.history if s < step] + [(step, cost)]
        if self.best_step == step and not is_last:
            self.keep(step)

    def _is_due(self, step: int, now: float) -> bool:
        if self.save_steps:
            return step % self.save_steps == 0
        return now - self._saved >= max(SAVE_SECONDS, self._save_cost / SAVE_SHARE)


def make_callback(reporter: Reporter) -> Any:
    """The reporter as a `TrainerCallback`."""
    from transformers import TrainerCallback

    reporter.__class__ = type("ReporterCallback", (Reporter, TrainerCallback), {})
    return reporter
