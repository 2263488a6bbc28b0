"""`advisor keep`: keep a step of a run, whatever its gate says."""

from __future__ import annotations

import argparse

from advisor.cli.arguments import add_run

SUMMARY = "keep a step of a run, whatever its gate says; takes effect with 'advisor resume'"


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("step", metavar="STEP", help="its number, or its technique")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import note
    from advisor.runs.decisions import decide

    step = decide(args.run_dir, args.step, "keep")
    note(f"step {step.number} {step.technique} is kept: the chain goes on from it")
    note(f"next: advisor resume {args.run_dir}")
    return 0
