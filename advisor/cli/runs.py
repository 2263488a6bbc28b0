"""`advisor runs`: the runs of this user, the newest first."""

from __future__ import annotations

import argparse

SUMMARY = "list runs, the newest first"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import note, write, write_json
    from advisor.runs.catalogue import list_runs

    found = list_runs()
    if args.json:
        write_json({"schema": 1, "runs": [summary.model_dump(mode="json") for summary in found]})
        return 0
    if not found:
        note("no runs yet: advisor run PLAN_OR_ANSWERS starts one")
        return 0
    import time

    from advisor.report.document import Table, to_text

    rows = tuple(
        (
            time.strftime("%Y-%m-%d %H:%M", time.localtime(r.started)) if r.started is not None else "-",
            r.status,
            r.name,
            " -> ".join(r.steps),
            r.folder,
        )
        for r in found
    )
    write(to_text([Table(("started", "status", "name", "steps", "folder"), rows)]))
    note("each is named by its folder, the folder's name or its beginning; the newest also by: advisor report last")
    return 0
