"""Disk and host RAM that a chain needs and the machine does not have."""

from __future__ import annotations

from advisor.domain.estimate import ChainEstimate
from advisor.domain.facts import Facts
from advisor.engine.shortage import shortages

CHAIN = ChainEstimate(peak_gpu_gib=0.0, peak_ram_gib=8.0, peak_disk_gib=24.0, seconds=60.0)


def test_shortages_have_both_numbers() -> None:
    """What is needed and what is free, with a way out."""
    found = list(shortages(CHAIN, Facts(goal="optimize", disk_gib=10.0, ram_gib=4.0)))
    assert [w.code for w in found] == ["disk-too-small", "ram-too-small"]
    assert "24.0 GiB on disk; 10.0 are free" in found[0].text and all(w.fix for w in found)


def test_enough_and_unknown_are_silent() -> None:
    """Nothing is said where it fits, or where nobody knows."""
    assert not list(shortages(CHAIN, Facts(goal="optimize", disk_gib=24.0, ram_gib=8.0)))
    assert not list(shortages(CHAIN, Facts(goal="optimize", disk_gib=None, ram_gib=None)))
