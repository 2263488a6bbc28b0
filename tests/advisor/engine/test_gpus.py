"""Tests of GPU names."""

from __future__ import annotations

import pytest

from advisor.domain.knowledge import Knowledge
from advisor.engine.gpus import match

SPELLINGS = [
    (("RTX 4090", "NVIDIA GeForce RTX 4090", "rtx4090"), 24),
    (("A100", "NVIDIA A100-SXM4-80GB", "A100 80GB PCIe"), 80),
    (("H100", "NVIDIA H100 80GB HBM3"), 80),
    (("A10G", "NVIDIA A10G"), 24),
    (("Tesla T4", "T4"), 16),
    (("RTX 4060 Ti", "NVIDIA GeForce RTX 4060 Ti"), 16),
]


@pytest.mark.parametrize(("spellings", "gib"), SPELLINGS)
def test_spellings_of_one_gpu(spellings: tuple[str, ...], gib: float, knowledge: Knowledge) -> None:
    """However a GPU is written, it is the same entry of the catalogue."""
    found = [match(spelling, gib, knowledge.catalog.gpus) for spelling in spellings]
    assert found[0] is not None
    assert all(spec is not None and spec.capability == found[0].capability for spec in found)
    assert len({spec.bandwidth_gbs for spec in found if spec is not None}) <= 2


def test_memory_tells_variants_apart(knowledge: Knowledge) -> None:
    """An A100 of 40 GiB is not the one of 80."""
    small, large = (match("A100", gib, knowledge.catalog.gpus) for gib in (40, 80))
    assert small is not None and large is not None
    assert small.memory_gib < large.memory_gib


@pytest.mark.parametrize("name", ["24 GB GPU", "", "RTX 4090 Ti Super", "Unheard Of 9000"])
def test_unknown_stays_unknown(name: str, knowledge: Knowledge) -> None:
    """A name that is not in the catalogue is not taken for a similar one."""
    assert match(name, 24, knowledge.catalog.gpus) is None
