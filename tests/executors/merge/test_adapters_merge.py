"""Tests of merging adapters of one base into one adapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from advisor.domain.errors import Severity
from advisor.domain.words import ArtifactKind
from executors import merge
from executors.protocol import Input, Inputs, Machine


@pytest.fixture(scope="module")
def adapters(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three LoRA adapters of the tiny model, of ranks 4, 2 and 2; the third leaves the MLP alone."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    found = []
    for number, (rank, targets) in enumerate([(4, ["q_proj", "up_proj"]), (2, ["q_proj", "up_proj"]), (2, ["q_proj"])]):
        model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
        config = LoraConfig(r=rank, lora_alpha=3 * rank, target_modules=targets, use_rslora=number == 1)
        peft = get_peft_model(model, config)
        torch.manual_seed(number)
        for name, parameter in peft.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.05)
        folder = tmp_path_factory.mktemp(f"adapter{number}")
        peft.save_pretrained(folder)
        found.append(folder)
    return found


def _inputs(*adapters: Path) -> Inputs:
    return Inputs(
        roles={f"adapters.{n}": Input(kind=ArtifactKind.ADAPTER, path=str(p)) for n, p in enumerate(adapters)}
    )


def deltas(base: Path, adapter: Path) -> dict[str, torch.Tensor]:
    """What PEFT adds to each weight when it merges the adapter."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).state_dict()
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), str(adapter))
    merged = model.merge_and_unload().state_dict()
    return {name: merged[name] - plain[name] for name in plain if "proj" in name}


@pytest.mark.parametrize(
    ("settings", "shares"),
    [
        ({"method": "linear"}, (0.5, 0.5)),
        ({"method": "linear", "weights": (3.0, 1.0)}, (0.75, 0.25)),
        ({"method": "task-arithmetic", "weights": (1.0, 0.5), "scale": 0.5}, (0.5, 0.25)),
    ],
)
def test_sums_are_exact(
    tiny_model: Path, adapters: list[Path], tmp_path: Path, listener: Any, settings: Any, shares: Any
) -> None:
    """PEFT, given the one adapter, adds what it adds for both, weighed; nothing is lost."""
    merge.run(merge.Config(**settings), _inputs(*adapters[:2]), tmp_path / "out", listener)
    assert listener.metrics["svd_error"] == 0
    first, second = (deltas(tiny_model, adapter) for adapter in adapters[:2])
    for name, delta in deltas(tiny_model, tmp_path / "out").items():
        expected = shares[0] * first[name] + shares[1] * second[name]
        torch.testing.assert_close(delta, expected, atol=1e-5, rtol=1e-4)


def test_slerp_is_exact_too(tiny_model: Path, adapters: list[Path], tmp_path: Path, listener: Any) -> None:
    """The updates as directions: what merging the full differences by SLERP gives."""
    from executors.merge.methods import METHODS, Mix
    from executors.merge.vectors import Held

    merge.run(merge.Config(method="slerp", at=0.25), _inputs(*adapters[:2]), tmp_path / "out", listener)
    first, second = (deltas(tiny_model, adapter) for adapter in adapters[:2])
    name = "model.layers.1.self_attn.q_proj.weight"
    held = Held([first[name].numpy(), second[name].numpy()])
    ((_, expected),) = METHODS["slerp"](held, Mix((), at=0.25))
    found = deltas(tiny_model, tmp_path / "out")[name]
    torch.testing.assert_close(found.reshape(-1), torch.from_numpy(expected), atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("method", ["ties", "dare-linear", "dare-ties"])
def test_what_a_low_rank_loses_is_reported(
    tiny_model: Path, adapters: list[Path], tmp_path: Path, listener: Any, method: str
) -> None:
    """Entry by entry the result is of full rank: of full rank nothing is lost, of a low one what is told."""
    for rank in (64, 6):
        config = merge.Config(method=method, rank=rank)
        assert [d.code for d in merge.preflight(config, _inputs(*adapters[:2]), Machine())] == ["low-rank"]
        merge.run(config, _inputs(*adapters[:2]), tmp_path / str(rank), listener)
        if rank == 64:
            assert listener.metrics["svd_error"] < 1e-4
    whole, low = (deltas(tiny_model, tmp_path / name) for name in ("64", "6"))
    lost = sum(float((whole[n] - low[n]).square().sum()) for n in whole) / sum(
        float(whole[n].square().sum()) for n in whole
    )
    assert listener.metrics["svd_error"] == pytest.approx(lost**0.5, rel=1e-2)
    assert 0 < lost < 1


def test_modules_of_one_adapter_alone_are_kept(
    tiny_model: Path, adapters: list[Path], tmp_path: Path, listener: Any
) -> None:
    """Where only one adapter changes a module, it counts with its weight; ranks may differ by module."""
    merge.run(merge.Config(method="linear"), _inputs(adapters[0], adapters[2]), tmp_path / "out", listener)
    first = deltas(tiny_model, adapters[0])
    found = deltas(tiny_model, tmp_path / "out")
    name = "model.layers.0.mlp.up_proj.weight"
    torch.testing.assert_close(found[name], 0.5 * first[name], atol=1e-5, rtol=1e-4)
    assert set(json.loads((tmp_path / "out/adapter_config.json").read_text())["rank_pattern"].values()) <= {4, 6}


def test_other_bases_are_refused(adapters: list[Path], tmp_path: Path) -> None:
    """Adapters of different bases mean different things: refused before a weight is read."""
    import shutil

    other = Path(shutil.copytree(adapters[1], tmp_path / "other"))
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "someone/else"}))
    (found,) = merge.preflight(merge.Config(method="linear"), _inputs(adapters[0], other), Machine())
    assert found.severity is Severity.DANGER
    assert "someone/else" in found.because
