"""Run every benchmark of this folder, or those named: `python -m tests.bench [--write FILE] [NAME ...]`.

`--write` replaces the sections of what was run and keeps the others: each section says on which machine and with which
versions it was made.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import pkgutil
import re
import sys
from pathlib import Path

import tests.bench
from tests.bench.machine import describe

HEAD = """# Results

Every figure here was printed by the command above it, on the machine named. `python -m tests.bench --write
docs/results.md` makes this file anew; with names after it, the sections of those benchmarks.
"""
_SECTION = re.compile(r"^## ([a-z0-9_]+)\n(.*?)(?=^## [a-z0-9_]+\n|\Z)", re.MULTILINE | re.DOTALL)


def main(arguments: list[str]) -> int:
    """Run the benchmarks in the order of their names. A benchmark is a module with `run() -> None`."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--write", metavar="FILE", help="keep what they print in a Markdown file")
    options = parser.parse_args(arguments)
    parts: dict[str, str] = {}
    print(describe())
    for name in sorted(module.name for module in pkgutil.iter_modules(tests.bench.__path__)):
        module = importlib.import_module(f"tests.bench.{name}") if name != "__main__" else None
        if not hasattr(module, "run") or (options.names and name not in options.names):
            continue
        title = (module.__doc__ or "").splitlines()[0]
        print(f"\n{name}: {title}", flush=True)
        text = _printed(module)
        body = text if "\n|" in text else f"```\n{text}```\n"
        parts[name] = f"\n{title}\n\n`python -m tests.bench {name}`\n\n{body}\n```\n{describe()}\n```\n\n"
    if options.write:
        _write(Path(options.write), parts)
    return 0


def _write(file: Path, parts: dict[str, str]) -> None:
    """Put the sections in the place of those of the same name, in the order of their names."""
    known = dict(_SECTION.findall(file.read_text())) if file.is_file() else {}
    sections = sorted({**known, **parts}.items())
    file.write_text(HEAD + "\n" + "".join(f"## {name}\n{text}" for name, text in sections).rstrip() + "\n")


class _Both(io.StringIO):
    """Keeps what is printed and shows it at once: a long benchmark that is cut short has told what it had."""

    def write(self, text: str) -> int:
        assert sys.__stdout__ is not None
        sys.__stdout__.write(text)
        sys.__stdout__.flush()
        return super().write(text)


def _printed(module: object) -> str:
    """What a benchmark prints, as text; it is shown meanwhile."""
    with contextlib.redirect_stdout(_Both()) as stream:
        module.run()  # type: ignore[attr-defined]
    return stream.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
