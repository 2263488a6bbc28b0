"""Training steered by held-out data: the best weights are kept, and what brings nothing any more is stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors import finetune
from executors.artifact import sha256_of
from executors.finetune import Config
from executors.protocol import Inputs, Stopped
from executors.training.order import order_rows
from tests.executors.finetune.test_finetune import held_out_loss

WEIGHTS = "model.safetensors"


class Recording:
    """A listener that keeps every held-out loss by its step."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.losses: dict[float, float] = {}
        self.metrics: dict[str, float] = {}
        self.lines: list[str] = []
        self.codes: list[str] = []
        self.stop_at, self.step = stop_at, 0.0

    def progress(self, *_: Any, **__: Any) -> None:
        """Progress is told by the clock; measurements come at their steps, and so decide when to stop."""

    def metric(self, name: str, value: float, unit: str = "", at: float | None = None) -> None:
        self.metrics[name] = value
        if name == "held_out_loss" and at is not None:
            self.losses[at], self.step = value, at

    def diagnostic(self, severity: Any, code: str, *_: Any, **__: Any) -> None:
        self.codes.append(code)

    def log(self, text: str) -> None:
        self.lines.append(text)

    def should_stop(self) -> bool:
        return self.stop_at is not None and self.step >= self.stop_at


@pytest.fixture
def harmed(config: Callable[..., Config], tmp_path: Path) -> Callable[..., Config]:
    """Settings of a training whose held-out rows share the form of what is learnt and contradict its words."""
    folder = tmp_path / "contrary"
    folder.mkdir()
    for name, word in (("train", "list"), ("test", "file")):
        rows = [{"prompt": f"What does {name}{n} do?", "completion": f"It returns the {word}."} for n in range(24)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def make(**changes: Any) -> Config:
        settings = {
            "method": "full",
            "learning_rate": 2e-2,
            "max_steps": 24,
            "eval_steps": 3,
            "save_steps": 6,
            "warmup": 0.0,
        }
        data = {"path": str(folder), "kind": "instructions"}
        return config(**{**settings, "data": data, **changes})

    return make


def test_the_best_weights_are_those_that_are_written(
    harmed: Callable[..., Config], inputs: Inputs, tmp_path: Path
) -> None:
    """The model that is left has the loss of the best measurement, which was not the last one."""
    say = Recording()
    settings = harmed(patience=2)
    finetune.run(settings, inputs, tmp_path / "out", say)
    trained = {step: loss for step, loss in say.losses.items() if step}
    best = min(trained, key=lambda step: trained[step])
    last = max(trained)
    assert best < last
    assert say.metrics["best_step"] == best
    found = held_out_loss(settings, str(tmp_path / "out"))
    assert found == pytest.approx(trained[best], abs=0.1)
    assert abs(found - trained[last]) > abs(found - trained[best])


def test_training_stops_when_nothing_gets_better(harmed: Callable[..., Config], inputs: Inputs, tmp_path: Path) -> None:
    """After two measurements without a new best it ends early, says so, and is not gone on with when started again."""
    say, again = Recording(), Recording()
    settings = harmed(patience=2)
    finetune.run(settings, inputs, tmp_path / "out", say)
    assert max(say.losses) < 24
    assert any("stopped early" in line for line in say.lines)
    finetune.run(settings, inputs, tmp_path / "again", again)
    assert sha256_of(tmp_path / "out" / WEIGHTS) == sha256_of(tmp_path / "again" / WEIGHTS)


def test_a_resumed_training_keeps_the_same_best(harmed: Callable[..., Config], inputs: Inputs, tmp_path: Path) -> None:
    """Stopped in between and started again, it ends with exactly the weights of the unbroken training."""
    settings = harmed()
    finetune.run(settings, inputs, tmp_path / "whole", Recording())
    broken = inputs.model_copy(update={"scratch": str(tmp_path / "broken")})
    with pytest.raises(Stopped):
        finetune.run(settings, broken, tmp_path / "out", Recording(stop_at=12))
    finetune.run(settings, broken, tmp_path / "out", Recording())
    assert sha256_of(tmp_path / "out" / WEIGHTS) == sha256_of(tmp_path / "whole" / WEIGHTS)


def test_a_training_that_only_harms_says_so(harmed: Callable[..., Config], inputs: Inputs, tmp_path: Path) -> None:
    """When no measurement is better than before the first step, that is a warning."""
    say = Recording()
    finetune.run(harmed(learning_rate=0.9, max_steps=4, eval_steps=4), inputs, tmp_path / "out", say)
    assert ("worse-than-before" in say.codes) == (say.losses[4] > say.losses[0])


def test_the_longest_batch_comes_first() -> None:
    """The batch with the longest sequence is the first, so that too little memory shows at once."""
    lengths = [3, 9, 4, 50, 7, 8, 2, 6]
    order = order_rows(lengths, 2, 4, seed=3)
    assert 3 in order[:2]
    assert sorted(order) == list(range(8))
