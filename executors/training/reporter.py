"""Turns what the Trainer does into events, and the person's wish to stop into a checkpoint.

Loss, learning rate, gradient norm, tokens per second and held-out loss are reported at most a few times a second,
so a fast model cannot flood the log; the first and the last step always are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from executors.protocol import Say

QUIET_SECONDS = 0.25
SAVE_SECONDS = 30.0
"""Time between checkpoints when no number of steps is given."""
SAVE_SHARE = 0.02
"""Share of the time that checkpoints may take when no number of steps is given."""


class Reporter:
    """The callback, without its base class (`make_callback` adds it). One instance per training.

    `tokens[i]` is the number of tokens of optimizer step i. `measure` gives the held-out loss in nats per token.
    `save_steps`, `eval_steps`: 0 leaves the moment of saving to the clock, and measuring to the end.
    """

    def __init__(
        self, say: Say, tokens: Sequence[int], measure: Callable[[], float], save_steps: int, eval_steps: int
    ) -> None:
        self.say, self.tokens, self.measure = say, tokens, measure
        self.save_steps, self.eval_steps = save_steps, eval_steps
        self.is_stopped = False
        self._said = self._began = self._saved = 0.0
        self._save_cost = 0.0
        self._rate = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._saved = time.monotonic()
        self.say.progress(state.global_step, state.max_steps, "steps", "training")

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        step = state.global_step
        now = time.monotonic()
        rate = self.tokens[step - 1] / max(now - self._began, 1e-9)
        self._rate = rate if not self._rate else 0.8 * self._rate + 0.2 * rate
        is_last = step >= state.max_steps
        if (self.eval_steps and step % self.eval_steps == 0) or is_last:
            self.say.metric("held_out_loss", self.measure(), "nats/token", step)
        self.is_stopped = not is_last and self.say.should_stop()
        control.should_training_stop = control.should_training_stop or self.is_stopped
        control.should_save = self.is_stopped or is_last or self._is_due(step, now)
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
        self.say.metric("loss", logs["loss"], "nats/token", step)
        self.say.metric("tokens_per_second", self._rate, "tokens/s", step)
        self.say.metric("learning_rate", logs["learning_rate"], "", step)
        if "grad_norm" in logs:
            self.say.metric("grad_norm", logs["grad_norm"], "", step)

    def _is_due(self, step: int, now: float) -> bool:
        if self.save_steps:
            return step % self.save_steps == 0
        return now - self._saved >= max(SAVE_SECONDS, self._save_cost / SAVE_SHARE)


def make_callback(reporter: Reporter) -> Any:
    """The reporter as a `TrainerCallback`."""
    from transformers import TrainerCallback

    reporter.__class__ = type("ReporterCallback", (Reporter, TrainerCallback), {})
    return reporter
