"""`advisor resume`: go on with a run after any stop, and show it."""

from __future__ import annotations

import argparse

from advisor.cli.arguments import add_run

SUMMARY = "go on with a run after any stop; what is finished and verifies is not done again"


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--force", action="store_true", help="go on although plan, data, code or versions changed")
    parser.add_argument("--attach", action="store_true", help="a run that is active already is shown, not refused")
    parser.add_argument("--json", action="store_true", help="the new events as JSON lines on stdout")
    parser.add_argument("--detach", action="store_true", help="start the run, print its folder and return")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.watching import watch
    from advisor.runs.find import require_run
    from advisor.runs.prepare import holder
    from advisor.runs.resume import resume
    from advisor.runs.state import load_state

    folder = require_run(args.run_dir)
    if args.attach and holder(folder) is not None:
        return watch(folder, as_json=args.json)
    seen = load_state(folder).last_seq
    resume(folder, force=args.force)
    if args.detach:
        print(folder)
        return 0
    return watch(folder, as_json=args.json, after_seq=seen)
