"""The catalogue of models and GPUs: complete, consistent, sourced."""

from __future__ import annotations

import pytest

from advisor.domain.knowledge import CatalogModel
from advisor.engine.estimate.shapes import count_params
from advisor.knowledge import load_knowledge

KNOWLEDGE = load_knowledge()
FORMATS = {"fp16", "bf16", "int8", "fp8", "nvfp4", "mxfp4", "mxfp8", "2:4"}


@pytest.mark.parametrize("model", KNOWLEDGE.catalog.models, ids=lambda m: m.ids[0])
def test_dimensions_give_the_published_size(model: CatalogModel) -> None:
    """The parameters counted from the dimensions agree with the published number within two percent."""
    assert count_params(model.shape) == pytest.approx(model.params_b * 1e9, rel=0.02)


def test_it_is_large_enough_and_names_nothing_twice() -> None:
    """At least sixty models and sixty GPUs, each name once."""
    catalog = KNOWLEDGE.catalog
    assert len(catalog.models) >= 60
    assert len(catalog.gpus) >= 60
    ids = [name for model in catalog.models for name in model.ids]
    names = [name for gpu in catalog.gpus for name in {gpu.name, *gpu.aliases}]
    assert len(ids) == len(set(ids))
    assert len(names) == len(set(names))


def test_sources_are_declared() -> None:
    """Every entry names a source that the knowledge declares."""
    known = {source.id for source in KNOWLEDGE.sources}
    for entry in (*KNOWLEDGE.catalog.models, *KNOWLEDGE.catalog.gpus):
        assert entry.source.split()[0] in known, entry.source


def test_gpus_are_plausible() -> None:
    """Rates, memory and formats of every GPU are in the range of real ones, and formats agree with the rates."""
    for gpu in KNOWLEDGE.catalog.gpus:
        assert 4 <= gpu.memory_gib <= 300, gpu.name
        assert 80 <= gpu.bandwidth_gbs <= 9000, gpu.name
        assert "fp32" in gpu.tflops, gpu.name
        assert set(gpu.formats) <= FORMATS, gpu.name
        assert ("fp8" in gpu.formats) == ("fp8" in gpu.tflops), gpu.name
        assert ("bf16" in gpu.formats) == ("bf16" in gpu.tflops), gpu.name
        assert gpu.capability == 0 or 5 <= gpu.capability < 13, gpu.name
