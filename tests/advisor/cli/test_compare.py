"""`advisor compare`: the arms are planned for the machine that the options name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from advisor.cli import run_command
from advisor.domain.errors import AdvisorError

ANSWERS = (
    "goal: change-behavior\nbehavior: task\ncompute: limited\n"
    "model: {id: Qwen/Qwen2.5-7B-Instruct, params_b: 7.6, kind: instruct}\n"
    "data: {path: builtin:stdlib, kind: instructions, seq_len: 512}\n"
)


def adapter_arm(file: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[Any, str]:
    assert run_command(["compare", str(file), "--dry-run", "--json", *options]) == 0
    said = capsys.readouterr()
    return next(arm for arm in json.loads(said.out)["arms"] if arm["name"] == "adapter"), said.err


def test_arms_are_planned_for_the_gpu_that_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A 7B model gets LoRA on 80 GiB and QLoRA on 10; that the runs are on this machine all the same is said."""
    file = tmp_path / "answers.yaml"
    file.write_text(ANSWERS)
    large, told = adapter_arm(file, capsys, "--gpu", "A100:80")
    assert large["techniques"] == ["lora"]
    assert "simulated hardware" in told and "this machine" in told
    small, _ = adapter_arm(file, capsys, "--gpu", "RTX 3080:10")
    assert small["techniques"] == ["qlora"]


def test_contradictory_hardware_is_refused(tmp_path: Path) -> None:
    """`--gpu` beside `--no-gpu` is an error."""
    file = tmp_path / "answers.yaml"
    file.write_text(ANSWERS)
    with pytest.raises(AdvisorError, match="contradict"):
        run_command(["compare", str(file), "--gpu", "A100:80", "--no-gpu"])
