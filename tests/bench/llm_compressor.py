"""Wanda, SparseGPT, GPTQ and AWQ against llm-compressor: the same model, text, bits and groups, one process each.

Whole processes, from start to saved result, imports and checks included; for llm-compressor also its `oneshot` alone.
KL: divergence from the model before, nats per token, on held-out rows of the calibration data / of general text.
At best temperature: perplexity of all tokens of both when the logits may be divided by one number, as in
`tests.bench.divergence`.
It runs as its recipes say: the head left out by a regular expression, groups of 64, and for AWQ, which fails without
an accelerator, with memory pinning switched off. `PEERS_ONLY` names methods to run alone, `PEERS_RUNS` the runs of the
peer and `PEERS_SEQUENCES` the sequences of 256 tokens (64).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import peers
from tests.bench.child import in_process
from tests.bench.compression import CALIBRATION, GENERAL, MODEL, perplexity
from tests.bench.divergence import Distance, divergence
from tests.bench.limits import limit_seconds, measure

RUNS = 3
PEER_RUNS = int(os.environ.get("PEERS_RUNS", "3"))
SEQUENCES = int(os.environ.get("PEERS_SEQUENCES", "64"))
ONLY = [name for name in os.environ.get("PEERS_ONLY", "").split(",") if name]
CASES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "wanda": ("prune", "sparse-lm", {"method": "wanda"}, "8x"),
    "sparsegpt": ("prune", "sparse-lm", {"method": "sparsegpt"}, "4x"),
    "gptq": ("quantize", "quantized-lm", {"format": "gptq", "bits": 4, "group_size": 64}, "3x"),
    "awq": ("quantize", "quantized-lm", {"format": "awq", "bits": 4, "group_size": 64}, "3x"),
}


def run() -> None:
    """Print seconds, ratios, perplexities and physical limits."""
    python = peers.llm_compressor()
    print(f"peer: {peers.versions(python, ('llmcompressor', 'compressed-tensors', 'transformers', 'torch'))}")
    rates = measure()
    print(f"measured here: {rates.flops / 1e9:.0f} GFLOP/s in bfloat16, disk {rates.bandwidth / 1e6:.0f} MB/s written")
    before, apart = perplexity(MODEL, "causal-lm"), perplexity(MODEL, "causal-lm", GENERAL)
    print(f"before: perplexity {before:.3f}, of general text {apart:.3f}; {SEQUENCES} sequences of 256 tokens")
    print(f"before, of all tokens at the best temperature: {_at_best(divergence(MODEL, 'causal-lm'))}\n")
    print("| method | here s | peer s (oneshot alone) | ratio | asked | ppl here | ppl peer "
          "| general ppl here | general ppl peer | KL here | KL peer | at best temperature here | peer "
          "| limit s | runs here/peer |")  # fmt: skip
    print("| --- " * 15 + "|")
    with tempfile.TemporaryDirectory() as place:
        ids = _ids(Path(place) / "ids.json")
        for name, (executor, kind, settings, asked) in CASES.items():
            if ONLY and name not in ONLY:
                continue
            own, theirs, alone = [], [], []
            for number in range(max(RUNS, PEER_RUNS)):
                if number < RUNS:
                    start = time.perf_counter()
                    config = {**CALIBRATION, "sequences": SEQUENCES, **settings}
                    out = Path(place) / f"{name}-{number}"
                    in_process(executor, config, {"model": MODEL}, "causal-lm", out)
                    own.append(time.perf_counter() - start)
                if number < PEER_RUNS:
                    peer = Path(place) / f"peer-{name}-{number}"
                    whole, only = _peer(python, name, ids, peer)
                    theirs.append(whole)
                    alone.append(only)
            here, there = statistics.median(own), statistics.median(theirs)
            print(
                f"| {name} | {here:.1f} | {there:.1f} ({statistics.median(alone):.1f}) | {there / here:.1f}x | {asked} "
                f"| {_quality(name, out, kind, peer)} "
                f"| {limit_seconds(name, SEQUENCES * 256, rates):.1f} | {len(own)}/{len(theirs)} |",
                flush=True,
            )


def _quality(method: str, own: Path, kind: str, peer: Path) -> str:
    """The columns of perplexity and divergence, ours and the peer's in turn."""
    columns = [f"{perplexity(str(own), kind):.3f}", f"{_peer_perplexity(peer, method):.3f}"]
    columns += [f"{perplexity(str(own), kind, GENERAL):.3f}", f"{_peer_perplexity(peer, method, GENERAL):.3f}"]
    here, there = divergence(str(own), kind), divergence(str(peer), _peer_kind(peer))
    columns += [" / ".join(f"{one.kl:.3f}" for one in found) for found in (here, there)]
    return " | ".join([*columns, _at_best(here), _at_best(there)])


def _at_best(found: tuple[Distance, Distance]) -> str:
    """Perplexity of both texts, each at its best temperature."""
    return " / ".join(f"{one.perplexity:.3f} (T {one.temperature:.2f})" for one in found)


def _ids(file: Path) -> Path:
    """The token ids our side calibrates with, for the peer; made by a fresh process as on our side."""
    from executors.tensors.folder import open_model

    asked = {"data": CALIBRATION["data"], "shape": [SEQUENCES, 256]}
    told = f"{json.dumps(asked)}\n{json.dumps(str(open_model(MODEL).path))}\n"
    command = [sys.executable, "-m", "executors.activations.text"]
    done = subprocess.run(command, input=told, check=True, stdout=subprocess.PIPE, text=True)
    file.write_text(json.dumps(json.loads(done.stdout)["ids"]))
    return file


def _peer(python: Path, method: str, ids: Path, out: Path) -> tuple[float, float]:
    """Seconds of the whole process and of oneshot alone. In 32 bits, as the peer's own recipes load on a CPU."""
    from executors.tensors.folder import open_model

    asked = {"threads": 2, "model": str(open_model(MODEL).path), "dtype": "float32", "ids": str(ids)}
    command = [*os.environ.get("BENCH_PREFIX", "").split(), str(python), str(Path(__file__).parent / "peer_program.py")]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "2"}
    start = time.perf_counter()
    done = subprocess.run(
        command,
        input=json.dumps({**asked, "method": method, "out": str(out)}),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    return time.perf_counter() - start, float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def _peer_perplexity(folder: Path, method: str, data: Any = CALIBRATION["data"]) -> float:
    file = folder / "config.json"
    config = json.loads(file.read_text())
    if method == "awq":
        # Its packed zeros do not load in transformers 5.23 otherwise; this asks to unpack them while loading.
        config["quantization_config"]["dequantize"] = True
        file.write_text(json.dumps(config))
    return perplexity(str(folder), _peer_kind(folder), data)


def _peer_kind(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text())
    return "quantized-lm" if "quantization_config" in config else "sparse-lm"
