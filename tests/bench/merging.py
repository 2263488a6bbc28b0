"""Merging three 135M models: linear, SLERP, TIES and DARE, against mergekit, which is told the same in its own file.

Whole processes, started from nothing, bf16, mergekit with `-j 1` as its recipe has it; medians of three, both sides in
one run. `work` is what is left once a process has imported what it needs. mergekit has an environment of its own, see
`tests.bench.peers`.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import peers
from tests.bench.child import Silent

RUNS = 3
CASES: dict[str, dict[str, Any]] = {
    "linear": {"models": (0, 1, 2), "weights": (0.4, 0.3, 0.3)},
    "slerp": {"models": (0, 1), "base": 0, "at": 0.5},
    "ties": {"models": (1, 2), "base": 0, "weights": (0.5, 0.5), "density": 0.5},
    "dare_ties": {"models": (1, 2), "base": 0, "weights": (0.5, 0.5), "density": 0.5},
}
_PEER_PROGRAM = """
import json, sys, time
from mergekit.scripts.run_yaml import main
began = time.perf_counter()
main(sys.argv[1:], standalone_mode=False)
taken = time.perf_counter() - began
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"work": taken, "peak": peak}))
"""


def run() -> None:
    """Print seconds, work and peak memory of both sides, the limit of the disk, and how far the tensors are apart."""
    with tempfile.TemporaryDirectory() as place:
        models = make_variants(Path(place))
        size = (models[0] / "model.safetensors").stat().st_size
        rate = disk_rate(Path(place), size)
        print(f"{_peer_version()}; the disk wrote {rate / 1e6:.0f} MB/s, synced\n")
        columns = ("method", "threads", "ours s", "mergekit s", "times faster", "ours work s", "mergekit work s")
        columns += ("ours MB", "mergekit MB", "share", "limit s")
        print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
        apart = []
        for name, case in CASES.items():
            peer = [_measure(_peer(name, case, models, Path(place) / f"{name}-peer")) for _ in range(RUNS)]
            for threads in (1, 2):
                out = Path(place) / f"{name}-{threads}"
                ours = [_measure(_ours(name, case, models, out, threads)) for _ in range(RUNS)]
                _print(name, threads, ours, peer, size / rate)
            apart.append(_apart(name, case, models, Path(place)))
        print("\n" + "\n".join(f"- {line}" for line in apart))


def make_variants(place: Path) -> list[Path]:
    """The built-in model and two that differ from it by noise of a fiftieth of each tensor's spread."""
    import torch
    from safetensors.torch import load_file, save_file

    from executors.tensors.folder import copy_companions, local_folder

    source = Path(local_folder("builtin:smollm2-135m-instruct"))
    weights = load_file(source / "model.safetensors")
    found = []
    for number in range(3):
        folder = place / f"variant{number}"
        folder.mkdir()
        copy_companions(source, folder)
        shutil.copy(source / "config.json", folder)
        noise = torch.Generator().manual_seed(number)
        changed = {
            name: (t + 0.02 * t.float().std() * torch.randn(t.shape, generator=noise)).bfloat16()
            if number and t.dim() > 1
            else t.clone()
            for name, t in weights.items()
        }
        save_file(changed, folder / "model.safetensors", metadata={"format": "pt"})
        found.append(folder)
    return found


def disk_rate(place: Path, size: int) -> float:
    """Bytes a second that are written and synced: what no merge can be faster than."""
    block = os.urandom(1 << 22)
    began = time.perf_counter()
    with (place / "rate").open("wb") as file:
        for _ in range(size // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    taken = time.perf_counter() - began
    (place / "rate").unlink()
    return size / taken


def _measure(command: tuple[list[str], dict[str, Any], Path]) -> tuple[float, float, float]:
    """(wall seconds, seconds of work, peak resident MB) of one process; what it wrote before is removed."""
    words, asked, out = command
    shutil.rmtree(out, ignore_errors=True)
    began = time.perf_counter()
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(asked))
    process.stdin.close()
    said = process.stdout.read()
    process.wait()
    taken = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"{words[0]} ended with {process.returncode}")
    told = json.loads(said.splitlines()[-1])
    # Told by the process itself: what is accounted to a child counts the memory of whoever started it.
    return taken, float(told["work"]), told["peak"] * 1024 / 1e6


def _peer(
    name: str, case: dict[str, Any], models: list[Path], out: Path, **changes: Any
) -> tuple[list[str], dict[str, Any], Path]:
    file = out.with_suffix(".yml")
    file.write_text(json.dumps(_file(name, {**case, **changes}, models)))
    words = ["--copy-tokenizer", "--no-write-model-card", "--quiet", "-j", "1", "--random-seed", "0"]
    return [str(peers.mergekit()), "-c", _PEER_PROGRAM, str(file), str(out), *words], {}, out


def _file(name: str, case: dict[str, Any], models: list[Path]) -> dict[str, Any]:
    """mergekit's configuration, which is JSON as well as YAML."""
    entries = []
    for place, number in enumerate(case["models"]):
        said = {"weight": case["weights"][place]} if "weights" in case else {}
        said |= {"density": case["density"]} if "density" in case else {}
        entries.append({"model": str(models[number]), "parameters": said})
    found: dict[str, Any] = {"merge_method": name, "models": entries, "dtype": case.get("dtype", "bfloat16")}
    if "base" in case:
        found["base_model"] = str(models[case["base"]])
    if "at" in case:
        found["parameters"] = {"t": case["at"]}
    return found


def _ours(
    name: str, case: dict[str, Any], models: list[Path], out: Path, threads: int, **changes: Any
) -> tuple[list[str], dict[str, Any], Path]:
    """The plan that this product reads from mergekit's file, executed as a worker executes it."""
    file = out.with_suffix(".yml")
    file.write_text(json.dumps(_file(name, {**case, **changes}, models)))
    return [sys.executable, "-m", "tests.bench.merging"], {"file": str(file), "out": str(out), "threads": threads}, out


def _execute(asked: dict[str, Any]) -> None:
    import numpy  # noqa: F401 (an import, not work)

    from advisor.files.mergekit import read_mergekit
    from executors import merge
    from executors.protocol import Input, Inputs

    began = time.perf_counter()
    plan = read_mergekit(asked["file"])
    (step,) = plan.steps
    given = {role: plan.given(origin) for role, origin in step.inputs.items()}
    roles = {role: Input(kind=ref.kind, path=ref.path) for role, ref in given.items() if ref is not None}
    inputs = Inputs(roles=roles, threads=asked["threads"])
    merge.run(merge.Config(**step.config), inputs, Path(asked["out"]), Silent())
    taken = time.perf_counter() - began
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    print(json.dumps({"work": taken, "peak": int(status.split()[0])}))


def _print(name: str, threads: int, ours: list[Any], peer: list[Any], limit: float) -> None:
    (wall, work, memory), (other, other_work, other_memory) = (
        [statistics.median(column) for column in zip(*runs, strict=True)] for runs in (ours, peer)
    )
    cells = (
        name,
        str(threads),
        f"{wall:.2f}",
        f"{other:.2f}",
        f"{other / wall:.1f}",
        f"{work:.2f}",
        f"{other_work:.2f}",
    )
    cells += (f"{memory:.0f}", f"{other_memory:.0f}", f"{memory / other_memory:.2f}", f"{limit:.2f}")
    print("| " + " | ".join(cells) + " |", flush=True)


def _apart(name: str, case: dict[str, Any], models: list[Path], place: Path) -> str:
    """How far the two results are apart; what is drawn at random is compared with nothing dropped."""
    note, ours, peer = "", place / f"{name}-2", place / f"{name}-peer"
    if name.startswith("dare"):
        note = " (with density 1: what is dropped at random differs)"
        ours, peer = place / "full", place / "full-peer"
        _measure(_ours(name, case, models, ours, 2, density=1.0))
        _measure(_peer(name, case, models, peer, density=1.0))
    total, far, at_threshold = compare(ours, peer, [models[n] for n in case["models"]], models[0], case.get("density"))
    text = f"{name}{note}: {total} numbers, {far} further apart than one step of bf16"
    return f"{text}, of which {at_threshold} lie at a trim threshold" if name == "ties" else text


def compare(ours: Path, peer: Path, models: list[Path], base: Path, density: float | None) -> tuple[int, int, int]:
    """(numbers, those more than one bf16 step apart, of those how many change with the trim threshold's rounding)."""
    import torch
    from safetensors import safe_open

    total = far = explained = 0
    opened = [safe_open(folder / "model.safetensors", "pt") for folder in (ours, peer, base, *models)]
    for name in opened[0].keys():  # noqa: SIM118 (no mapping: it has no iterator)
        a, b, origin, *others = (file.get_tensor(name) for file in opened)
        # One step of bf16: numbers in order are whole numbers in order, once negative ones are turned round.
        ranks = [t.view(torch.int16).int() for t in (a, b)]
        ranks = [torch.where(r < 0, -(r & 0x7FFF), r) for r in ranks]
        apart = (ranks[0] - ranks[1]).abs() > 1
        total, far = total + a.numel(), far + int(apart.sum())
        if density is not None and apart.any():
            near = torch.zeros_like(apart)
            for other in others:
                size = (other.float() - origin.float()).abs()
                limit = size.flatten().kthvalue(size.numel() - max(1, int(density * size.numel())) + 1).values
                near |= (size - limit).abs() <= limit / 128
            explained += int((apart & near).sum())
    return total, far, explained


def _peer_version() -> str:
    asked = "from importlib.metadata import version as v; print('mergekit', v('mergekit'), 'torch', v('torch'))"
    command = [str(peers.mergekit()), "-c", asked]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    _execute(json.load(sys.stdin))
