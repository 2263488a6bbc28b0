"""`advisor export`: what a step of a run left, copied to a folder of its own and verified."""

from __future__ import annotations

import argparse
from pathlib import Path

from advisor.cli.arguments import add_run

SUMMARY = "copy what a run, or one of its steps, left to a new folder, and verify the copy"


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("step", metavar="STEP", nargs="?", help="its number or technique; the run's result without it")
    parser.add_argument("--to", metavar="FOLDER", type=Path, required=True, help="a new or empty folder")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import note
    from advisor.runs.subjects import export

    step, folder = export(args.run_dir, args.step, args.to)
    print(folder)
    note(f"step {step.number} {step.technique}: {step.produces}, every byte verified")
    return 0
