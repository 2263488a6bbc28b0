"""A reward model, and policies optimised against it and against a program's check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from executors.align import policy, reward
from executors.artifact import sha256_of
from executors.protocol import Input, Inputs, Machine, Stopped


def policy_settings(settings: Callable[..., Any], kind: str = "rewards", **changes: Any) -> policy.Config:
    given = settings(kind, micro_batch=8, generations=4, answer_tokens=6, max_steps=4, learning_rate=2e-2)
    return policy.Config.model_validate({**given, **changes})


def test_a_reward_model_tells_good_from_bad(
    settings: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """A trained reward model, loaded from disk, scores good answers above bad ones on held-out questions."""
    import torch

    config = reward.Config.model_validate(settings("preferences"))
    reward.run(config, inputs, tmp_path / "out", listener)
    assert listener.metrics["reward_accuracy"] == 1.0
    model, tokenizer = reward.load_reward_model(tmp_path / "out")
    scores = []
    for answer in ("It returns a new list.", "Close the file."):
        turns = [{"role": "user", "content": "What does f99 do?"}, {"role": "assistant", "content": answer}]
        text = tokenizer.apply_chat_template(turns, tokenize=False).strip()
        with torch.no_grad():
            scores.append(float(model(**tokenizer(text, add_special_tokens=False, return_tensors="pt")).logits))
    assert scores[0] > scores[1]


@pytest.mark.parametrize("objective", ["grpo", "rloo"])
def test_a_policy_is_optimised_against_checks(
    objective: str, settings: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """A policy trained against checkable answers leaves an adapter that differs from a fresh one, and its reward."""
    from safetensors.torch import load_file

    policy.run(policy_settings(settings, objective=objective), inputs, tmp_path / "out", listener)
    tensors = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert "held_out_reward" in listener.metrics
    assert "mean_reward" in listener.metrics
    assert any("lora_B" in name for name in tensors)


def test_a_policy_is_scored_by_a_reward_model(
    settings: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """With a learned reward the policy trains on pairs' prompts, says that this is not PPO, and reports that reward."""
    config = reward.Config.model_validate(settings("preferences"))
    reward.run(config, inputs, tmp_path / "reward", listener)
    roles = {**inputs.roles, "reward-model": Input(kind="reward-model", path=str(tmp_path / "reward"))}
    apart = Inputs(roles=roles, seed=1, threads=1, scratch=str(tmp_path / "scratch-policy"))
    told = policy_settings(settings, "preferences", objective="rloo")
    assert policy.preflight(told, apart, Machine()) == []
    policy.run(told, apart, tmp_path / "out", listener)
    assert listener.metrics["held_out_reward"] != 0
    assert any("no PPO" in line for line in listener.lines)
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()


def test_a_stopped_policy_goes_on_bit_for_bit(
    settings: Callable[..., Any], inputs: Inputs, tmp_path: Path, listener: Any, stopping_listener: Any
) -> None:
    """Stopped after its first step and started again, a policy ends with the weights of an unbroken training."""
    config = policy_settings(settings)
    policy.run(config, inputs, tmp_path / "whole", listener)
    broken = inputs.model_copy(update={"scratch": str(tmp_path / "broken")})
    with pytest.raises(Stopped):
        policy.run(config, broken, tmp_path / "out", stopping_listener)
    policy.run(config, broken, tmp_path / "out", listener)
    name = "adapter_model.safetensors"
    assert sha256_of(tmp_path / "out" / name) == sha256_of(tmp_path / "whole" / name)


def test_what_cannot_be_rewarded_is_refused(settings: Callable[..., Any], inputs: Inputs) -> None:
    """Pairs without a reward model, and groups that do not fill a batch, are refused before the start."""
    pairs = policy_settings(settings, "preferences")
    assert [d.code for d in policy.preflight(pairs, inputs, Machine())] == ["data-kind"]
    with pytest.raises(ValidationError, match="must divide"):
        policy_settings(settings, generations=3)
