"""The environments of the libraries compared with: made on first use, never part of the product.

Not a benchmark by itself. Below build/peers, or where `ADVISOR_PEERS` says; llm-compressor and mergekit each have their
own, since they ask for other versions of the same libraries.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

TORCH = "torch==2.13.0"
LLM_COMPRESSOR = ("llmcompressor==0.14.0.1",)
MERGEKIT = ("mergekit==0.1.5",)


def root() -> Path:
    """The folder of llm-compressor's environment; mergekit's lies in it."""
    return Path(os.environ.get("ADVISOR_PEERS", "build/peers")).absolute()


def llm_compressor() -> Path:
    """The Python that has llm-compressor."""
    return _environment(root(), LLM_COMPRESSOR)


def mergekit() -> Path:
    """The Python that has mergekit."""
    return _environment(root() / "mergekit", MERGEKIT)


def versions(python: Path, names: tuple[str, ...]) -> str:
    """What is installed there, for the record."""
    program = f"from importlib.metadata import version; print(', '.join(n + ' ' + version(n) for n in {names!r}))"
    return subprocess.run([str(python), "-c", program], check=True, capture_output=True, text=True).stdout.strip()


def _environment(folder: Path, packages: tuple[str, ...]) -> Path:
    python = folder / "bin" / "python"
    done = folder / ".installed"
    if not done.is_file():
        print(f"making {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        # torch by its exact version: an open range can pull gigabytes of CUDA libraries.
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, TORCH, *packages], check=True)
        done.write_text(" ".join((TORCH, *packages)))
    return python
