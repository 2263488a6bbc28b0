"""One executor in a process of its own, as a worker runs it, for benchmarks that measure whole steps.

Not a benchmark by itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

THREADS = 2


def in_process(
    executor: str, config: dict[str, Any], roles: dict[str, str], kind: str, out: Path, scratch: Path | str = ""
) -> dict[str, float]:
    """Run one executor on models of one kind, by role, in a process of its own; what it measured, peak memory with it.

    `BENCH_PREFIX` in the environment is put in front of the command, e.g. `taskset -c 0,1`.
    """
    given = {role: {"kind": kind, "path": path} for role, path in roles.items()}
    asked = json.dumps(
        {"executor": executor, "config": config, "roles": given, "out": str(out), "scratch": str(scratch)}
    )
    done = subprocess.run(
        [*os.environ.get("BENCH_PREFIX", "").split(), sys.executable, "-m", "tests.bench.child"],
        input=asked,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


class Silent:
    """A `Say` that nobody listens to."""

    def progress(self, done: float, total: float | None, unit: str, what: str = "") -> None: ...

    def metric(self, name: str, value: float, unit: str = "", at: float | None = None) -> None: ...

    def diagnostic(self, *told: Any, **more: Any) -> None: ...

    def log(self, text: str) -> None: ...

    def should_stop(self) -> bool:
        return False


class Metrics(Silent):
    """A `Say` that keeps the last value of each metric, and shows what it is warned of."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}

    def metric(self, name: str, value: float, unit: str = "", at: float | None = None) -> None:
        self.found[name] = value

    def diagnostic(self, *told: Any, **more: Any) -> None:
        print(*told, file=sys.stderr)


def _execute(asked: dict[str, Any]) -> None:
    import importlib
    import resource

    from executors.process.environment import prepare_environment
    from executors.protocol import Input, Inputs

    # As a worker: the number of threads is in the environment when torch is imported, and the step imports it.
    prepare_environment(THREADS)
    module = importlib.import_module(f"executors.{asked['executor']}")
    say, out = Metrics(), Path(asked["out"])
    out.mkdir(parents=True, exist_ok=True)
    roles = {role: Input(**given) for role, given in asked["roles"].items()}
    inputs = Inputs(roles=roles, threads=THREADS, scratch=asked["scratch"])
    module.run(module.Config(**asked["config"]), inputs, out, say)
    say.found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(say.found), flush=True)
    os._exit(0)  # As a worker ends.


if __name__ == "__main__":
    _execute(json.load(sys.stdin))
