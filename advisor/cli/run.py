"""`advisor run`: execute a plan, or the plan of an answers file, and show it while it runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advisor.domain.plan import Plan
    from advisor.runs.advise import Advice, Overrides
    from advisor.runs.prepare import Prepared

SUMMARY = "execute a plan or an answers file; it goes on when this terminal is closed"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", metavar="PLAN_OR_ANSWERS", help="a plan file, an answers file, or mergekit's YAML")
    parser.add_argument("--run-dir", metavar="DIR", help="the folder of the run; must be new or empty")
    from advisor.cli.gates import add_gates

    add_gates(parser)
    from advisor.cli.parser import add_hardware_overrides

    add_hardware_overrides(parser)
    parser.add_argument("--dry-run", action="store_true", help="show steps, estimates and warnings; touch nothing")
    parser.add_argument("--json", action="store_true", help="the run's events as JSON lines on stdout")
    parser.add_argument("--detach", action="store_true", help="start the run, print its folder and return")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.gates import with_gates
    from advisor.cli.top import overrides_of

    plan, advice = _plan_of(args.plan, overrides_of(args))
    plan = with_gates(plan, args)
    if args.dry_run:
        return _dry_run(plan, args.run_dir, advice, args.json)
    return execute_plan(plan, args.run_dir, advice=advice, as_json=args.json, detach=args.detach)


def execute_plan(
    plan: Plan,
    run_dir: str | None = None,
    *,
    advice: Advice | None = None,
    as_json: bool = False,
    detach: bool = False,
    quiet_stdout: bool = False,
) -> int:
    """Start a run, show it to its end, write and print its report. Returns the run's exit code.

    Progress goes to stderr (events to stdout with `as_json`), the before/after report to stdout, or with
    `quiet_stdout` to stderr too, for callers that have data of their own there.
    """
    from advisor.cli.output import note
    from advisor.cli.watching import watch
    from advisor.runs.launch import launch

    prepared = _prepare(plan, run_dir, advice)
    folder = launch(
        prepared,
        Path(run_dir) if run_dir else None,
        advice.answers if advice is not None else None,
        advice.recommendation if advice is not None else None,
    )
    if detach:
        print(folder)
        note(f"follow it: advisor resume --attach {folder}")
        note(f"stop it:   advisor stop {folder}")
        return 0
    return watch(folder, as_json=as_json, quiet_stdout=quiet_stdout)


def _plan_of(path: str, overrides: Overrides) -> tuple[Plan, Advice | None]:
    from advisor.domain.errors import AdvisorError
    from advisor.files import read_plan
    from advisor.files.answers import is_plan
    from advisor.files.mergekit import is_mergekit, read_mergekit

    is_fixed = path == "-" or is_plan(path)
    if is_fixed or is_mergekit(path):
        if overrides.is_any:
            why = "a plan was made for its hardware already"
            raise AdvisorError("--gpu, --no-gpu and --ram go with an answers file", why=why)
        return (read_plan if is_fixed else read_mergekit)(path), None
    from advisor.cli.top import nothing_feasible
    from advisor.runs.advise import advise_file, plan_of

    advice = advise_file(path, overrides)
    if not advice.recommendation.feasible:
        raise nothing_feasible(advice.recommendation, path)
    return plan_of(advice), advice


def _prepare(plan: Plan, run_dir: str | None, advice: Advice | None) -> Prepared:
    from advisor.cli.output import note
    from advisor.cli.top import tell_simulated
    from advisor.runs.places import runs_root
    from advisor.runs.prepare import prepare

    prepared = prepare(plan, Path(run_dir) if run_dir else runs_root())
    if advice is not None:
        tell_simulated(advice)
    for found in prepared.diagnostics:
        note(f"{found.severity}: {found.text}" + (f"\n  try: {found.hint}" if found.hint else ""))
    return prepared


def _dry_run(plan: Plan, run_dir: str | None, advice: Advice | None, as_json: bool) -> int:
    from advisor.cli.output import write, write_json
    from advisor.report.document import to_text
    from advisor.report.plan import plan_blocks

    prepared = _prepare(plan, run_dir, advice)
    if as_json:
        write_json(prepared.plan.model_dump(mode="json", by_alias=True))
    else:
        write(to_text(plan_blocks(prepared.plan)))
    return 0
