"""Where and in which number format a model runs. Decides; loads nothing."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

Precision = Literal["auto", "bf16", "fp32"]
CPU_BF16 = ("amx_bf16", "avx512_bf16", "bf16")
"""Flags of x86 and of ARM (`bf16`) processors that multiply bfloat16 in hardware."""


def choose_device() -> Any:
    """The first CUDA device if there is one, else the CPU."""
    import torch

    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def choose_dtype(precision: Precision = "auto") -> Any:
    """bfloat16 where the hardware multiplies it, else float32: emulated bfloat16 is slower than float32."""
    import torch

    if precision != "auto":
        return torch.bfloat16 if precision == "bf16" else torch.float32
    fast = torch.cuda.is_bf16_supported(including_emulation=False) if torch.cuda.is_available() else _cpu_has_bf16()
    return torch.bfloat16 if fast else torch.float32


@cache
def _cpu_has_bf16() -> bool:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    flags = next((line.split() for line in lines if line.lower().startswith(("flags", "features"))), [])
    return any(flag in flags for flag in CPU_BF16)
