"""What a chain needs beside GPU memory and this machine has too little of: disk, and host RAM beside a GPU.

Neither rules a technique out: disks are freed or others named, and weights can be read in smaller shards.
"""

from __future__ import annotations

from collections.abc import Iterator

from advisor.domain.errors import Severity
from advisor.domain.estimate import ChainEstimate
from advisor.domain.facts import Facts
from advisor.domain.recommendation import StackWarning

_SOURCE = "advisor memory estimate"


def shortages(chain: ChainEstimate, facts: Facts) -> Iterator[StackWarning]:
    """A warning with both numbers for each. What is not known is not short."""
    if facts.disk_gib is not None and chain.peak_disk_gib > facts.disk_gib:
        yield StackWarning(
            severity=Severity.DANGER,
            code="disk-too-small",
            text=f"The chain needs {chain.peak_disk_gib:.1f} GiB on disk; {facts.disk_gib:.1f} are free.",
            fix="Free the difference, or run it on another disk with --run-dir.",
            sources=(_SOURCE,),
        )
    if facts.ram_gib is not None and chain.peak_ram_gib > facts.ram_gib:
        yield StackWarning(
            severity=Severity.WARNING,
            code="ram-too-small",
            text=f"The chain is expected to take {chain.peak_ram_gib:.1f} GiB of RAM; {facts.ram_gib:.1f} are free.",
            fix="Close other programs, add swap, or save the model in smaller shards.",
            sources=(_SOURCE,),
        )
