"""Tests of executors.export.gguf_form."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, dequantize, quantize

from advisor.domain.errors import AdvisorError
from executors.export.gguf_form import error_bound, require_exportable, tensor_type
from executors.tensors.folder import open_model


@pytest.mark.parametrize(
    ("name", "dimensions", "form", "kind"),
    [
        ("blk.0.attn_norm.weight", 1, "Q4_0", "F32"),
        ("blk.0.attn_q.weight", 2, "Q4_0", "Q4_0"),
        ("token_embd.weight", 2, "Q4_0", "Q8_0"),
        ("output.weight", 2, "Q4_0", "Q8_0"),
        ("token_embd.weight", 2, "Q5_1", "Q8_0"),
        ("blk.0.attn_q.weight", 2, "Q5_1", "Q5_1"),
        ("token_embd.weight", 2, "F16", "F16"),
        ("output_norm.weight", 1, "F16", "F32"),
    ],
)
def test_each_tensor_gets_its_type(name: str, dimensions: int, form: str, kind: str) -> None:
    """Vectors stay wide, tables keep eight bits in a file of four or five, all else follows the form."""
    assert tensor_type(name, dimensions, form) == kind


@pytest.mark.parametrize("kind", ["F32", "F16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"])
@pytest.mark.parametrize("scale", [1e-7, 1e-3, 1.0, 1e3])
def test_what_the_library_packs_stays_within_the_bound(kind: str, scale: float) -> None:
    """Over magnitudes from subnormal to large, no element is further off than the bound of its type."""
    values = (np.random.default_rng(0).standard_normal((64, 96)) * scale).astype(np.float32)
    values[3] = 0
    values[4, :32] = np.float32(scale) * np.where(np.arange(32) % 2, 1, -1)
    packed = quantize(values, GGMLQuantizationType[kind])
    error = np.abs(dequantize(packed, GGMLQuantizationType[kind]).reshape(values.shape) - values)
    assert (error <= error_bound(values, kind)).all()


@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"])
def test_the_bound_is_tight_enough_to_catch_a_wrong_row(kind: str) -> None:
    """Two rows exchanged are further off than the bound allows."""
    values = np.random.default_rng(1).standard_normal((2, 32)).astype(np.float32)
    assert not (np.abs(values[::-1] - values) <= error_bound(values, kind)).all()


def test_other_architectures_and_odd_rows_are_refused(tiny_model: Path, tmp_path: Path, make_model: Any) -> None:
    """An unknown architecture, scaled positions and rows that do not divide by 32 are refused with what to do."""
    model = open_model(tiny_model)
    require_exportable(model, "Q8_0")
    for change, message in [
        ({"model_type": "qwen2"}, "qwen2 model cannot be written"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}}, "scales its rotary positions"),
    ]:
        other = dataclasses.replace(model, config={**model.config, **change})
        with pytest.raises(AdvisorError, match=message):
            require_exportable(other, "Q8_0")
    odd = open_model(make_model(tmp_path / "odd", hidden_size=48))
    with pytest.raises(AdvisorError, match="rows of 48 values"):
        require_exportable(odd, "Q8_0")
    require_exportable(odd, "F16")
