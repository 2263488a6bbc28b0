"""100,000 passages indexed in bounded memory, killed once with signal 9 and gone on with; then searched."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.child import Silent

DOCUMENTS, SENTENCES = 1000, 100
"""One passage for each sentence: every sentence stands under a heading of its own."""
QUERIES = 200
KILL_AT = 0.3
WORDS = tuple(
    """
    north south river bridge tower garden market winter summer engine copper silver forest island harbor letter window
    mirror signal ladder anchor barrel candle dragon feather glacier hammer ivory jungle kettle
    """.split()  # noqa: SIM905 - a block of words reads better than quoted strings
)


def run() -> None:
    """Print how long it took, how much memory, and how fast questions are answered."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "documents"
        write_documents(folder)
        started = time.perf_counter()
        told = _build(Path(place), kill_at=KILL_AT)
        killed = time.perf_counter() - started
        whole = _build(Path(place))
        seconds = time.perf_counter() - started
        found = json.loads(_python(Path(place), "search"))
    print("| what | value |\n| --- | ---: |")
    print(f"| passages | {found['chunks']:,} |")
    print(f"| killed with signal 9 after | {killed:.0f} s, {told['done']:,} passages |")
    print(f"| gone on with from | {whole['first']:,} passages |")
    print(f"| seconds in all | {seconds:.0f} |")
    print(f"| peak memory of the process | {whole['peak_mib']:.0f} MiB |")
    for by, times in found["milliseconds"].items():
        print(f"| {by} query, median and 95th percentile of {QUERIES} | {times['p50']:.1f}, {times['p95']:.1f} ms |")
    print(f"| load average | {os.getloadavg()[0]:.1f} |")


def write_documents(folder: Path) -> None:
    """Documents of short sections, the same every time."""
    folder.mkdir()
    chance = random.Random(0)
    for number in range(DOCUMENTS):
        parts = [f"## Note {number}-{n}\n\n{' '.join(chance.choices(WORDS, k=8))}.\n" for n in range(SENTENCES)]
        (folder / f"{number:04}.md").write_text("\n".join(parts))


def _build(place: Path, kill_at: float | None = None) -> dict[str, Any]:
    """Build in a process of its own; kill it once that share is embedded. What it said last, and its peak memory."""
    process = subprocess.Popen([sys.executable, "-m", __name__, "build", str(place)], stdout=subprocess.PIPE, text=True)
    told: dict[str, Any] = {"done": 0, "first": None, "peak_mib": 0.0}
    assert process.stdout is not None
    for line in process.stdout:
        said = json.loads(line)
        told |= said
        if told["first"] is None and "done" in said:
            told["first"] = said["done"]
        if kill_at is not None and told["done"] >= kill_at * DOCUMENTS * SENTENCES:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    return told


def _python(place: Path, what: str) -> str:
    command = [sys.executable, "-m", __name__, what, str(place)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]


class _Say(Silent):
    """Prints how many passages are embedded."""

    def progress(self, done: float, total: float | None, unit: str, what: str = "") -> None:
        if what == "embedding passages":
            print(json.dumps({"done": done}), flush=True)


def _make(place: Path) -> None:
    from executors import retrieve
    from executors.artifact import write_manifest
    from executors.protocol import Inputs

    out = place / "index"
    out.mkdir(exist_ok=True)
    search = {"by": "hybrid", "dense_share": 0.5}
    told = {"data": {"path": str(place / "documents"), "kind": "documents"}, "search": search}
    inputs = Inputs(roles={}, scratch=str(place / "scratch"))
    retrieve.run(retrieve.Config.model_validate(told), inputs, out, _Say())
    write_manifest(out)
    print(json.dumps({"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def _search(place: Path) -> None:
    from executors import retrieve

    index = retrieve.open_index(place / "index")
    chance = random.Random(1)
    found: dict[str, Any] = {"chunks": index.about.chunks, "milliseconds": {}}
    for by in ("dense", "keyword", "hybrid"):
        times = []
        for number in range(QUERIES + 10):
            question = "Where is the " + " ".join(chance.choices(WORDS, k=5)) + "?"
            start = time.perf_counter()
            index.search(question, k=5, settings=retrieve.Search(by=by, dense_share=0.5))
            if number >= 10:
                times.append((time.perf_counter() - start) * 1000)
        found["milliseconds"][by] = {"p50": statistics.median(times), "p95": statistics.quantiles(times, n=20)[-1]}
    print(json.dumps(found))


if __name__ == "__main__":
    from executors.process.environment import prepare_environment

    prepare_environment(int(os.environ.get("OMP_NUM_THREADS", "2")))
    (_make if sys.argv[1] == "build" else _search)(Path(sys.argv[2]))
