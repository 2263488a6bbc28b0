"""Measures what this machine reaches: `python -m executors.calibrate FOLDER [--threads N]`, one JSON line on stdout.

Some ten seconds: bare multiplications and training passes of one decoder block in bf16 and fp32 on the CPU and on each
kind of GPU, copying in memory, and writing a file in FOLDER. Keeps nothing; `advisor hardware --calibrate` starts it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from advisor.domain.calibration import NARROW, WIDE, Calibration, DeviceRates, DtypeRates

SECONDS, LONGEST = 0.5, 2.0
"""Spent on each figure, and at most, where that is too little for REPETITIONS."""
REPETITIONS = 5
SEQUENCES, LENGTH = 8, 64
"""Of a training pass: short examples, as instruction data has them."""
LENGTH_ON_GPU = 512
RANK = 16
LARGE = 2048
"""Rows of the wide multiplication."""
SHAPES = {NARROW: (1536, 64), WIDE: (5632, 64)}
"""Width -> width of the feed-forward block and of one attention head: SmolLM2-135M, TinyLlama-1.1B."""
COPIED = 128 * 2**20
"""Bytes copied at once: more than any cache."""
CHUNK, CHUNKS = 16 * 2**20, 16
"""Bytes written at once, and how often at most."""
ROOM = 4 * CHUNK * CHUNKS
"""Bytes that must be free before the disk is tried."""


def main(argv: list[str] | None = None) -> int:
    """Measure and print. Returns 0."""
    parser = argparse.ArgumentParser(prog="python -m executors.calibrate", description="Measure this machine.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where a file is written and removed again")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all usable cores)")
    args = parser.parse_args(argv)

    from executors.process.environment import prepare_environment, usable_cores

    threads = args.threads or usable_cores()
    prepare_environment(threads)
    sys.stdout.write(calibrate(args.folder, threads).model_dump_json(by_alias=True) + "\n")
    return 0


def calibrate(folder: Path, threads: int) -> Calibration:
    """All figures. Each is the best repetition: what others do on the machine meanwhile is not its speed."""
    import torch

    began = time.perf_counter()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    gpus: dict[str, DeviceRates] = {}
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        name = torch.cuda.get_device_name(number)
        if name not in gpus:
            gpus[name] = measure_device(torch.device("cuda", number), name)
    return Calibration(
        threads=threads,
        torch=str(torch.__version__),
        cpu=measure_device(torch.device("cpu"), ""),
        gpus=tuple(gpus.values()),
        disk_write_mbs=disk_write(folder),
        seconds=round(time.perf_counter() - began, 2),
    )


def measure_device(device: Any, name: str) -> DeviceRates:
    """The rates of one device."""
    import torch

    return DeviceRates(
        name=name,
        bf16=measure_dtype(device, torch.bfloat16),
        fp32=measure_dtype(device, torch.float32),
        copy_gbs=_figure(copy_rate(device) / 1e9),
    )


def measure_dtype(device: Any, dtype: Any) -> DtypeRates:
    """TFLOP/s in one format. Where the narrow shapes are slow, as in emulated formats, the wide ones get fewer rows."""
    rows = SEQUENCES * (LENGTH_ON_GPU if device.type == "cuda" else LENGTH)
    narrow = matmul_rate(device, dtype, rows, NARROW)
    train_narrow = train_rate(device, dtype, rows // SEQUENCES, NARROW)
    affordable = SECONDS * narrow / (2 * WIDE * WIDE)
    wide_rows = int(min(LARGE, max(16, affordable)))
    length = max(2, min(rows, wide_rows) // SEQUENCES)
    rates = {
        "matmul_narrow": narrow,
        "matmul_wide": matmul_rate(device, dtype, wide_rows, WIDE),
        "train_narrow": train_narrow,
        "train_wide": train_rate(device, dtype, length, WIDE),
    }
    return DtypeRates(**{key: _figure(rate / 1e12) for key, rate in rates.items()})


def matmul_rate(device: Any, dtype: Any, rows: int, width: int) -> float:
    """FLOP/s of [rows, width] by [width, width]."""
    import torch

    left = torch.randn(rows, width, device=device).to(dtype)
    right = torch.randn(width, width, device=device).to(dtype)
    return 2.0 * rows * width * width / _best(lambda: left @ right, device)


def train_rate(device: Any, dtype: Any, length: int, width: int) -> float:
    """FLOP/s of a forward and a backward pass of one block, adapters' own operations not counted."""
    import torch

    inner, head = SHAPES[width]
    block = _Block(device, dtype, width, inner, head)
    inputs = torch.randn(SEQUENCES, length, width, device=device).to(dtype).requires_grad_()
    upstream = torch.randn_like(inputs)

    def step() -> None:
        inputs.grad = None
        block(inputs).backward(upstream)

    return pass_flops(SEQUENCES * length, length, width, inner) / _best(step, device)


def pass_flops(tokens: int, length: int, width: int, inner: int) -> float:
    """Operations of a forward pass and of the gradients of inputs: two passes over frozen matrices, and causal
    attention, counted as the estimates count them."""
    per_token = 2.0 * (4 * width * width + 3 * width * inner) + 2.0 * length * width
    return 2.0 * tokens * per_token


class _Block:
    """A Llama block with frozen matrices and an adapter on each."""

    def __init__(self, device: Any, dtype: Any, width: int, inner: int, head: int) -> None:
        import torch

        self.head = head
        pairs = {"q": (width, width), "k": (width, width), "v": (width, width), "o": (width, width)}
        pairs |= {"gate": (width, inner), "up": (width, inner), "down": (inner, width)}

        def make(rows: int, columns: int, trained: bool) -> Any:
            return (torch.randn(rows, columns, device=device) * columns**-0.5).to(dtype).requires_grad_(trained)

        self.matrices = {
            name: (make(outputs, inputs, False), make(RANK, inputs, True), make(outputs, RANK, True))
            for name, (inputs, outputs) in pairs.items()
        }
        self.norm = torch.ones(width, device=device, dtype=dtype)

    def __call__(self, x: Any) -> Any:
        from torch.nn import functional

        batch, length, width = x.shape
        normed = self._norm(x)
        q, k, v = (self._linear(name, normed).view(batch, length, -1, self.head).transpose(1, 2) for name in "qkv")
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self._linear("o", mixed.transpose(1, 2).reshape(batch, length, width))
        normed = self._norm(x)
        gated = functional.silu(self._linear("gate", normed)) * self._linear("up", normed)
        return x + self._linear("down", gated)

    def _norm(self, x: Any) -> Any:
        import torch

        wide = x.float()
        return self.norm * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)).to(x.dtype)

    def _linear(self, name: str, x: Any) -> Any:
        from torch.nn import functional

        frozen, down, up = self.matrices[name]
        return functional.linear(x, frozen) + functional.linear(functional.linear(x, down), up)


def copy_rate(device: Any) -> float:
    """Bytes read and written per second of copying a large tensor."""
    import torch

    source = torch.ones(COPIED // 4, device=device)
    target = torch.empty_like(source)
    return 2.0 * COPIED / _best(lambda: target.copy_(source), device)


def disk_write(folder: Path) -> float | None:
    """MB/s of a new file in the folder, synced; None where there is no room or it may not be written."""
    import shutil

    block = os.urandom(CHUNK)  # zeros would be compressed by some file systems
    written = 0
    try:
        if shutil.disk_usage(folder).free < ROOM:
            return None
        with tempfile.TemporaryFile(dir=folder) as file:
            began = time.perf_counter()
            while written < CHUNK * CHUNKS and time.perf_counter() - began < SECONDS:
                written += file.write(block)
            file.flush()
            os.fsync(file.fileno())
            return _figure(written / (time.perf_counter() - began) / 1e6)
    except OSError:
        return None


def _best(work: Callable[[], Any], device: Any) -> float:
    """Seconds of the fastest repetition after one to warm up, or of that one where it took all the time there is."""
    took = _time(work, device)
    if took > LONGEST:
        return took
    best, spent, repetitions = float("inf"), 0.0, 0
    while spent < SECONDS or (repetitions < REPETITIONS and spent < LONGEST):
        took = _time(work, device)
        best, spent, repetitions = min(best, took), spent + took, repetitions + 1
    return max(best, 1e-9)


def _time(work: Callable[[], Any], device: Any) -> float:
    import torch

    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _figure(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


if __name__ == "__main__":
    sys.exit(main())
