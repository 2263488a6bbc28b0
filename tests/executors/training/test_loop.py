"""Training through interruptions and shortage of memory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from executors.artifact import Manifest, publish, temporary, write_manifest
from executors.protocol import Stopped
from executors.training.loop import Training, train
from executors.training.reporter import Measured, Reporter


def make(root: Path, listener: Any, fits: int, about: Manifest | None = None) -> tuple[Training, list[tuple[int, int]]]:
    """A training whose trainer raises like the allocator for micro-batches above `fits`."""
    tried: list[tuple[int, int]] = []

    def build(micro: int, accumulation: int) -> Any:
        tried.append((micro, accumulation))

        def run(resume_from_checkpoint: str | None) -> None:
            if micro > fits:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

        return SimpleNamespace(train=run, args=SimpleNamespace(), state=SimpleNamespace(global_step=5))

    reporter = Reporter(listener, [1], lambda: [Measured("held_out_loss", 0.0)], 0, 0)
    return Training(build, reporter, root, about or Manifest(), 8, 1), tried


def test_memory_is_retried_with_the_same_batch(tmp_path: Path, listener: Any) -> None:
    """Short memory halves the micro-batch and doubles accumulation until it fits, and each retry is reported."""
    training, tried = make(tmp_path, listener, fits=2)
    train(training, listener)
    assert tried == [(8, 1), (4, 2), (2, 4)]
    assert [code for _, code, _ in listener.diagnostics] == ["out-of-memory-retry"] * 2


def test_after_three_retries_it_ends_with_exit_code_five(tmp_path: Path, listener: Any) -> None:
    """Memory that never suffices ends, after three retries, in exit code 5 with ranked fixes."""
    training, tried = make(tmp_path, listener, fits=0)
    with pytest.raises(AdvisorError, match="not enough memory") as caught:
        train(training, listener)
    assert len(tried) == 4
    assert caught.value.code == ExitCode.OUT_OF_MEMORY
    assert caught.value.hint.startswith("set gradient_checkpointing")


def test_one_of_a_group_never_retries_alone(tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a group short memory ends the training at once: the others would wait for a process that began again."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    training, tried = make(tmp_path, listener, fits=2)
    with pytest.raises(AdvisorError, match="not enough memory") as caught:
        train(training, listener)
    assert tried == [(8, 1)]
    assert caught.value.code == ExitCode.OUT_OF_MEMORY
    assert caught.value.hint.startswith("lower micro_batch")


def test_a_requested_stop_is_raised(tmp_path: Path, listener: Any) -> None:
    """A training that was asked to stop ends in `Stopped`, not in a result."""
    training, _ = make(tmp_path, listener, fits=8)
    training.reporter.is_stopped = True
    with pytest.raises(Stopped, match="step 5"):
        train(training, listener)


def test_checkpoints_of_another_training_are_refused(tmp_path: Path, listener: Any) -> None:
    """What changed since the checkpoint is listed, and nothing is trained."""
    partial = temporary(tmp_path / "step-00000004")
    write_manifest(partial, Manifest(config={"rank": 8, "batch": 4}, seed=0, threads=2, versions={"torch": "1"}))
    publish(partial, tmp_path / "step-00000004")
    about = Manifest(config={"rank": 16, "batch": 4}, seed=0, threads=2, versions={"torch": "2"})
    training, tried = make(tmp_path, listener, fits=8, about=about)
    with pytest.raises(AdvisorError) as caught:
        train(training, listener)
    assert caught.value.code == ExitCode.REFUSED
    assert "rank was 8 and is 16; torch was '1' and is '2'" in caught.value.why
    assert tried == []
