"""`advisor report`: what came of a run, from its folder; finished or not."""

from __future__ import annotations

import argparse

from advisor.cli.arguments import add_run

SUMMARY = "the report of a run: before and after each step, predicted and measured"


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--format", default="text", choices=("text", "markdown", "html", "json"))
    parser.add_argument("--output", metavar="FILE", help="write the report there")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import write
    from advisor.report.run import render_run
    from advisor.runs.report import run_report

    write(render_run(run_report(args.run_dir), args.format), args.output)
    return 0
