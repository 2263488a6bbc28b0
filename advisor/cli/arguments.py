"""Arguments that several commands take."""

from __future__ import annotations

import argparse
from pathlib import Path

_RUN = "a folder, a name that 'advisor runs' lists or its beginning, or 'last'"


def add_run(parser: argparse.ArgumentParser) -> None:
    """The run a command is about, as `args.run_dir`; `advisor.runs.find.require_run` says which folder it is."""
    parser.add_argument("run_dir", metavar="RUN", type=Path, help=_RUN)
