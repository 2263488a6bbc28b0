"""Run every benchmark of this folder, or those named: `python -m tests.bench [NAME ...]`."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import tests.bench
from tests.bench.machine import describe


def main(names: list[str]) -> int:
    """Run the benchmarks in the order of their names. A benchmark is a module with `run() -> None`."""
    print(describe())
    found = [module.name for module in pkgutil.iter_modules(tests.bench.__path__)]
    for name in sorted(found):
        module = importlib.import_module(f"tests.bench.{name}") if name != "__main__" else None
        if hasattr(module, "run") and (not names or name in names):
            print(f"\n{name}: {(module.__doc__ or '').splitlines()[0]}")
            module.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
