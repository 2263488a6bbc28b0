"""`advisor stop`: stop a run so that it can be resumed."""

from __future__ import annotations

import argparse

from advisor.cli.arguments import add_run

SUMMARY = "stop a run: its worker saves what it needs, and nothing is left running"


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import note
    from advisor.runs.find import require_run
    from advisor.runs.stop import stop

    folder = require_run(args.run_dir)
    if stop(folder):
        note(f"stopped; go on with: advisor resume {folder}")
    else:
        note("the run is not active")
    return 0
