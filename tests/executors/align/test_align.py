"""DPO, ORPO and KTO of the tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from advisor.domain.errors import AdvisorError, Severity
from advisor.domain.plan import DataSpec
from executors import align, datasets
from executors.align import Config
from executors.artifact import sha256_of
from executors.datasets import load
from executors.metrics.preferences import score_marked, score_pairs
from executors.models.load import load_model
from executors.protocol import Input, Inputs, Machine
from executors.training.checkpoint import find_newest

pytestmark = pytest.mark.process

KINDS = {"dpo": "preferences", "orpo": "preferences", "kto": "feedback"}


def separation(config: Config, model: str, adapter: str | None = None) -> float:
    """Nats per token by which good answers are likelier than bad ones on held-out rows, loaded from disk."""
    loaded = load_model("causal-lm", model, adapter=adapter)
    rows: Any = load(config.data, "held-out")
    if config.objective == "kto":
        scores = score_marked(loaded.model, loaded.tokenizer, rows, 96)
        sides = [[s for n, s in scores.items() if rows[n].is_good is good] for good in (True, False)]
        return sum(sides[0]) / len(sides[0]) - sum(sides[1]) / len(sides[1])
    found = score_pairs(loaded.model, loaded.tokenizer, rows, 96)
    return sum(score.margin for score in found.values()) / len(found)


@pytest.mark.parametrize(("objective", "method"), [("dpo", "lora"), ("dpo", "full"), ("orpo", "lora"), ("kto", "lora")])
def test_good_answers_become_likelier(
    objective: str, method: str, settings: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """On held-out questions the good answer gains on the bad one, by the model as it is loaded from disk."""
    rate = 1e-3 if method == "full" else 1e-2
    given = settings(KINDS[objective], objective=objective, method=method, max_steps=20, learning_rate=rate)
    config = Config.model_validate(given)
    align.run(config, inputs, tmp_path / "out", listener)
    base, out = inputs.path("model"), str(tmp_path / "out")
    before = separation(config, base)
    after = separation(config, out) if method == "full" else separation(config, base, out)
    assert after > before + 0.3
    name = "feedback_margin" if objective == "kto" else "preference_margin"
    assert listener.metrics[name] == pytest.approx(after, abs=0.15)
    assert not [f for f in tmp_path.rglob("*") if f.suffix in (".pt", ".pth", ".bin", ".pkl")]


def test_it_goes_on_from_an_adapter(
    settings: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Given the adapter of an earlier step, DPO trains that adapter on and measures from where it stood."""
    config = Config.model_validate(settings("preferences", objective="dpo", max_steps=6))
    align.run(config, inputs, tmp_path / "first", listener)
    stood = listener.metrics["preference_margin"]
    adapter = Input(kind="adapter", path=str(tmp_path / "first"))
    further = inputs.model_copy(
        update={"roles": {**inputs.roles, "adapter": adapter}, "scratch": str(tmp_path / "scratch-2")}
    )
    assert align.preflight(config, further, Machine()) == []
    align.run(config, further, tmp_path / "second", listener)
    after = separation(config, inputs.path("model"), str(tmp_path / "second"))
    assert after > stood + 0.05
    other = Config.model_validate(settings("preferences", objective="dpo", method="ia3"))
    assert [d.code for d in align.preflight(other, further, Machine())] == ["other-adapter"]


PROGRAM = """
import sys
from pathlib import Path
from executors import align
from executors.align import Config
from executors.protocol import Inputs

class Quiet:
    def progress(self, *_, **__): pass
    def metric(self, *_): pass
    def diagnostic(self, *_): pass
    def log(self, _): pass
    def should_stop(self): return False

align.run(Config.model_validate_json(sys.argv[1]), Inputs.model_validate_json(sys.argv[2]), Path(sys.argv[3]), Quiet())
"""


@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_killed_and_resumed_weights_are_those_of_an_unbroken_run(
    objective: str, settings: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Killed with signal 9 in the middle and started again, an alignment ends with exactly the unbroken weights."""
    given = settings(KINDS[objective], objective=objective, save_steps=3, eval_steps=5, accumulation=2, micro_batch=2)
    config = Config.model_validate({**given, "max_steps": 16, "dropout": 0.1})
    align.run(config, inputs, tmp_path / "whole", listener)
    broken = inputs.model_copy(update={"scratch": str(tmp_path / "broken")})
    arguments = [config.model_dump_json(), broken.model_dump_json(), str(tmp_path / "out")]
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=2)
    checkpoints = tmp_path / "broken" / "checkpoints"
    deadline = time.monotonic() + 120
    while not (checkpoints / "step-00000006" / "manifest.json").exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 6 <= find_newest(checkpoints).step < 16
    align.run(config, broken, tmp_path / "out", listener)
    name = "adapter_model.safetensors"
    assert sha256_of(tmp_path / "out" / name) == sha256_of(tmp_path / "whole" / name)


def test_what_cannot_be_aligned_is_refused(settings: Callable[..., Any], inputs: Inputs) -> None:
    """Data of another kind, soft prompts, and one answer at a time for KTO are refused before the start."""
    wrong = Config.model_validate(settings("feedback", objective="dpo"))
    assert [d.code for d in align.preflight(wrong, inputs, Machine())] == ["data-kind"]
    single = Config.model_validate(settings("feedback", objective="kto", micro_batch=1))
    assert [d.code for d in align.preflight(single, inputs, Machine())] == ["batch-of-one"]
    with pytest.raises(ValidationError, match="not trained through prompt-tuning"):
        Config.model_validate(settings("preferences", objective="dpo", method="prompt-tuning"))


@pytest.mark.parametrize("is_good", [True, False])
def test_marks_that_are_all_the_same_are_refused_before_the_start(
    is_good: bool, settings: Callable[..., Any], inputs: Inputs, tmp_path: Path
) -> None:
    """KTO learns from good answers and bad ones; data with one mark alone is said before anything is measured."""
    path = tmp_path / "marks.jsonl"
    rows = [{"prompt": f"q{n}", "completion": "a", "label": is_good} for n in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = Config.model_validate(
        {**settings("feedback", objective="kto"), "data": {"path": str(path), "kind": "feedback"}}
    )
    (found,) = align.preflight(config, inputs, Machine())
    assert (found.code, found.severity) == ("one-mark", Severity.DANGER)
    assert f"learn from are marked {'good' if is_good else 'bad'}" in found.because
    both = Config.model_validate(settings("feedback", objective="kto"))
    assert align.preflight(both, inputs, Machine()) == []


def test_data_that_goes_away_is_not_called_one_mark(
    settings: Callable[..., Any], inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data that can no longer be read when its marks are looked at is said as such, not as marks."""
    sides = ["held-out", "train"]

    def load_twice(spec: DataSpec, side: Literal["train", "held-out"]) -> Any:
        if not sides:
            raise AdvisorError("gone")
        assert sides.pop() == side
        return load(spec, side)

    monkeypatch.setattr(datasets, "load", load_twice)
    config = Config.model_validate(settings("feedback", objective="kto"))
    assert [(d.code, d.text) for d in align.preflight(config, inputs, Machine())] == [("data", "gone")]


def test_all_weights_move_slowly(settings: Callable[..., Any]) -> None:
    """Without a learning rate all weights get a hundredth of what adapters get."""
    given = settings("preferences", objective="dpo")
    del given["learning_rate"]
    rates = [Config.model_validate({**given, "method": method}).learning_rate for method in ("lora", "full")]
    assert rates == [1e-4, 1e-6]
