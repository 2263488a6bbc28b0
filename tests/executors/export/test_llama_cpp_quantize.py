"""Tests of executors.export.llama_cpp_quantize: with llama.cpp where it is installed, and what is said without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader

from advisor.domain.errors import Severity
from executors import quantize
from executors.export.llama_cpp_choices import is_installed
from executors.protocol import Input, Inputs, Machine


def _inputs(model: Path) -> Inputs:
    return Inputs(roles={"model": Input(kind="causal-lm", path=str(model))})


@pytest.mark.skipif(not is_installed(), reason="needs llama-cpp-python")
@pytest.mark.parametrize("form", ["Q4_K_M", "Q6_K"])
def test_llama_cpp_writes_k_quants(tmp_path: Path, make_model: Any, listener: Any, form: str) -> None:
    """Rows of 256 become K-quants, the 16-bit file is gone, and the logits are those of the model."""
    model = make_model(tmp_path / "model", hidden_size=256, intermediate_size=256)
    config = quantize.Config(format="gguf", type=form)
    assert quantize.preflight(config, _inputs(model), Machine()) == []
    quantize.run(config, _inputs(model), tmp_path / "out", listener)
    (file,) = (tmp_path / "out").glob("*.gguf")
    assert file.name == f"model-{form}.gguf"
    kinds = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(str(file)).tensors}
    assert kinds["blk.0.ffn_up.weight"] == form.removesuffix("_M")
    assert listener.metrics["parity_kl"] < 0.05


@pytest.mark.skipif(is_installed(), reason="llama-cpp-python is installed")
@pytest.mark.parametrize("form", ["Q2_K", "Q4_K_M"])
def test_without_llama_cpp_k_quants_are_refused(tiny_model: Path, form: str) -> None:
    """Before anything is read, with what to install or to take instead."""
    (found,) = quantize.preflight(quantize.Config(format="gguf", type=form), _inputs(tiny_model), Machine())
    assert (found.severity, found.code) == (Severity.DANGER, "not-exportable")
    assert "llama-cpp-python" in found.hint and "Q4_1" in found.hint
