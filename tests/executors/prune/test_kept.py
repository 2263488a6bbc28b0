"""Zeros that pruning set are kept by what follows: trained under the mask, merged under it, or refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from advisor.domain.errors import AdvisorError, Severity
from advisor.domain.words import ArtifactKind
from executors import finetune, merge, prune, quantize
from executors.adapters.masked import masked_names
from executors.models.load import load_model
from executors.protocol import Input, Inputs, Machine
from executors.prune.kept import carry_ledger
from executors.prune.layers import LEDGER

IDS = torch.tensor([[1, 5, 9, 44, 100, 7]])


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory, make_model: Any) -> Path:
    """A tiny model half of whose weights are zero, with its ledger, in 32 bits."""
    from tests.executors.conftest import Listener

    place = tmp_path_factory.mktemp("sparse")
    model = make_model(place / "model")
    weights = {name: tensor.float() for name, tensor in load_file(model / "model.safetensors").items()}
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    given = Inputs(roles={"model": Input(kind=ArtifactKind.CAUSAL_LM, path=str(model))})
    prune.run(prune.Config(method="magnitude", sparsity=0.5), given, place / "out", Listener())
    return place / "out"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    lines = [{"prompt": f"What does f{n} do?", "completion": f"It returns {n % 3}."} for n in range(24)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _inputs(model: Path, scratch: Path, **more: Path) -> Inputs:
    roles = {"model": Input(kind=ArtifactKind.SPARSE_LM, path=str(model))}
    roles |= {role: Input(kind=ArtifactKind.ADAPTER, path=str(path)) for role, path in more.items()}
    return Inputs(roles=roles, seed=1, threads=1, scratch=str(scratch))


def _config(rows: Path, **changes: Any) -> finetune.Config:
    data = {"path": str(rows), "kind": "instructions", "held_out": 0.2}
    small = {"max_steps": 6, "micro_batch": 4, "seq_len": 96, "learning_rate": 5e-3, "rank": 4, "precision": "fp32"}
    return finetune.Config.model_validate({"data": data, **small, **changes})


def _lost(before: Path, after: Path) -> int:
    one, two = load_file(before / "model.safetensors"), load_file(after / "model.safetensors")
    return sum(int(((one[name] == 0) & (two[name] != 0)).sum()) for name in one if "proj" in name)


def test_lora_trains_under_the_mask_and_merges_to_what_was_trained(
    sparse: Path, rows: Path, tmp_path: Path, listener: Any
) -> None:
    """The adapter says it is masked, base and adapter give the merged model's logits, and no zero is filled."""
    finetune.run(_config(rows), _inputs(sparse, tmp_path / "scratch"), tmp_path / "adapter", listener)
    assert (Severity.INFO, "masked-training") in [said[:2] for said in listener.diagnostics]
    assert len(masked_names(tmp_path / "adapter")) == 14
    inputs = _inputs(sparse, tmp_path / "none", adapter=tmp_path / "adapter")
    merge.run(merge.Config(method="adapter-merge"), inputs, tmp_path / "merged", listener)
    carry_ledger(inputs, tmp_path / "merged", "adapter-merge")
    assert _lost(sparse, tmp_path / "merged") == 0 and (tmp_path / "merged" / LEDGER).is_file()
    attached = load_model(ArtifactKind.SPARSE_LM, str(sparse), "fp32", adapter=str(tmp_path / "adapter")).model
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32).eval()
    base = AutoModelForCausalLM.from_pretrained(sparse, dtype=torch.float32).eval()
    with torch.no_grad():
        torch.testing.assert_close(attached(IDS).logits, merged(IDS).logits, atol=1e-5, rtol=1e-5)
        assert not torch.allclose(base(IDS).logits, merged(IDS).logits, atol=1e-3)


def test_training_all_weights_keeps_the_zeros(sparse: Path, rows: Path, tmp_path: Path, listener: Any) -> None:
    """Gradients are masked: what was pruned does not move, the rest does."""
    inputs = _inputs(sparse, tmp_path / "scratch")
    finetune.run(_config(rows, method="full"), inputs, tmp_path / "out", listener)
    assert _lost(sparse, tmp_path / "out") == 0
    one, two = load_file(sparse / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert not torch.equal(one["model.layers.0.mlp.up_proj.weight"], two["model.layers.0.mlp.up_proj.weight"])


def test_an_adapter_of_another_training_is_merged_under_the_mask(
    sparse: Path, rows: Path, tmp_path: Path, listener: Any
) -> None:
    """Trained on the dense model it is told of before, and the merge still keeps every zero."""
    dense = tmp_path / "dense"
    shutil.copytree(sparse, dense)
    (dense / LEDGER).unlink()
    finetune.run(_config(rows), _inputs(dense, tmp_path / "scratch"), tmp_path / "adapter", listener)
    inputs = _inputs(sparse, tmp_path / "none", adapter=tmp_path / "adapter")
    config = merge.Config(method="adapter-merge")
    assert "masked-merge" in [d.code for d in merge.preflight(config, inputs, Machine())]
    merge.run(config, inputs, tmp_path / "merged", listener)
    assert _lost(sparse, tmp_path / "merged") == 0


def test_a_step_that_fills_zeros_fails(sparse: Path, tmp_path: Path) -> None:
    """Named: the step, the tensor, the zeros there were and are, and what to do."""
    out = tmp_path / "out"
    shutil.copytree(sparse, out)
    (out / LEDGER).unlink()
    weights = load_file(out / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"].add_(1)
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AdvisorError, match=r"full-sft broke the sparsity.*layers\.1\.mlp\.up_proj") as caught:
        carry_ledger(_inputs(sparse, tmp_path), out, "full-sft")
    assert "lora" in caught.value.hint


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_gguf_with_an_exact_zero_keeps_them(sparse: Path, tmp_path: Path, listener: Any, kind: str) -> None:
    """Read back from the file, every zero is there, and the ledger goes along."""
    inputs = _inputs(sparse, tmp_path)
    quantize.run(quantize.Config(format="gguf", type=kind), inputs, tmp_path / "out", listener)
    carry_ledger(inputs, tmp_path / "out", "gguf")
    assert json.loads((tmp_path / "out" / LEDGER).read_text())["reached"] >= 0.5


def test_dora_on_a_pruned_model_is_refused(sparse: Path, rows: Path, tmp_path: Path) -> None:
    """It has no form under the mask; lora does, without dropout."""
    inputs = _inputs(sparse, tmp_path)
    (found,) = finetune.preflight(_config(rows, method="dora"), inputs, Machine())
    assert found.code == "pruned-base" and found.severity is Severity.DANGER
    (found,) = finetune.preflight(_config(rows, dropout=0.1), inputs, Machine())
    assert found.severity is Severity.WARNING


@pytest.mark.parametrize("form", ["Q4_1", "Q5_1", "Q4_0", "Q5_0", "Q8_0", "F16"])
def test_forms_without_a_zero_are_refused_before_they_begin(
    sparse: Path, make_model: Any, tmp_path: Path, listener: Any, form: str
) -> None:
    """Of a pruned model Q4_1 and Q5_1 are refused at once; the others are written and keep every zero. Dense models may
    have any."""
    config, given = quantize.Config(format="gguf", type=form), _inputs(sparse, tmp_path)
    codes = {found.code for found in quantize.preflight(config, given, Machine()) if found.severity is Severity.DANGER}
    assert codes == ({"sparsity-lost"} if form.endswith("_1") else set())
    if not codes:
        quantize.run(config, given, tmp_path / "out", listener)
        carry_ledger(given, tmp_path / "out", "gguf")
        assert (tmp_path / "out" / LEDGER).is_file()
    dense = _inputs(make_model(tmp_path / "dense"), tmp_path)
    assert not any(found.code == "sparsity-lost" for found in quantize.preflight(config, dense, Machine()))
