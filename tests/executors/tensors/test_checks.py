"""Tests of executors.tensors.checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from executors.protocol import Machine
from executors.tensors.checks import GIB, check_disk, check_ram

PREFLIGHT = """
import sys
from executors import merge, prune, quantize
from executors.protocol import Input, Inputs, Machine
inputs = Inputs(roles={"model": Input(kind="causal-lm", path=sys.argv[1])})
merge.preflight(merge.Config(), inputs, Machine())
prune.preflight(prune.Config(method="magnitude"), inputs, Machine())
quantize.preflight(quantize.Config(format="gguf"), inputs, Machine())
quantize.preflight(quantize.Config(format="bnb-nf4"), inputs, Machine())
print([name for name in ("torch", "transformers", "numpy", "gguf") if name in sys.modules])
"""


def test_preflight_loads_no_heavy_library(tiny_model: Path) -> None:
    """Importing the executors and checking a step needs neither torch nor numpy."""
    done = subprocess.run(
        [sys.executable, "-c", PREFLIGHT, str(tiny_model)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("free", [None, 1.0, 2.0])
def test_what_is_not_known_refuses_nothing(free: float | None) -> None:
    """An unknown amount is no reason to refuse; an amount that suffices neither."""
    assert check_disk(GIB, Machine(disk_free_gib=free)) == []
    assert check_ram(0.1 * GIB, Machine(ram_free_gib=free), "hint") == []


def test_too_little_is_refused_with_both_numbers() -> None:
    """The message names what is needed and what is free."""
    (found,) = check_disk(3 * GIB, Machine(disk_free_gib=1.0))
    assert "3.00 GiB" in found.text and "1.00 GiB" in found.text
    (found,) = check_ram(3 * GIB, Machine(ram_free_gib=1.0), "use less")
    assert (found.code, found.hint) == ("memory", "use less")
