"""`advisor compare`: prompt, retrieval, adapter and both together on the same held-out questions, within a budget."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advisor.runs.advise import Advice
    from advisor.runs.contest import Contest

SUMMARY = (
    "run prompt, retrieval, adapter, and retrieval with adapter on the same questions; the best one by measurement"
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("answers", metavar="ANSWERS", help="an answers file, '-': stdin")
    parser.add_argument(
        "--budget", type=_positive, default=30.0, metavar="MINUTES", help="time for all arms (default 30)"
    )
    parser.add_argument("--questions", type=_count, default=40, metavar="N", help="held-out questions (default 40)")
    parser.add_argument("--price", type=_positive, metavar="PER_HOUR", help="what an hour of this machine costs")
    parser.add_argument("--run-dir", metavar="DIR", help="the folder of the comparison; the same one goes on with it")
    from advisor.cli.parser import add_hardware_overrides

    add_hardware_overrides(parser)
    parser.add_argument("--dry-run", action="store_true", help="show the arms and what each runs; touch nothing")
    parser.add_argument("--json", action="store_true", help="the result as JSON")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import note, write
    from advisor.cli.top import overrides_of, tell_simulated
    from advisor.report.comparison import render_comparison
    from advisor.runs.advise import advise_file
    from advisor.runs.contest import run_contest

    advice = advise_file(args.answers, overrides_of(args))
    contest = _contest(advice, args)
    tell_simulated(advice)
    if args.dry_run:
        _show(contest, args.json)
        return 0
    try:
        report = run_contest(contest, note)
    except KeyboardInterrupt:
        note(f"stopped; go on with: advisor compare {args.answers} --run-dir {contest.folder}")
        return 130
    write(render_comparison(report, "json" if args.json else "text"))
    note(f"report: {contest.folder / 'compare.md'}")
    ran = [arm for arm in report.arms if arm.techniques and arm.accuracy is not None]
    return 0 if ran else 1


def _show(contest: Contest, as_json: bool) -> None:
    from advisor.cli.output import write, write_json

    if as_json:
        arms = [{"name": a.name, "techniques": list(a.techniques), "why_not": a.why_not or ""} for a in contest.arms]
        write_json({"schema": 1, "arms": arms})
        return
    for arm in contest.arms:
        why_not = f" (not possible: {arm.why_not})" if arm.why_not else ""
        write(f"{arm.name}: {' -> '.join(arm.techniques)}{why_not}\n")


def _contest(advice: Advice, args: argparse.Namespace) -> Contest:
    from advisor.domain.errors import AdvisorError
    from advisor.engine.arms import arms_of, recommended_arm
    from advisor.runs.contest import Contest
    from advisor.runs.places import make_run_folder

    model = advice.facts.model_id or advice.facts.model_path
    if model is None:
        raise AdvisorError("no model is named", why="the arms run on one", hint="set model.id")
    if advice.facts.train_machines is not None:
        hint = "leave train.machines and train.rendezvous out"
        raise AdvisorError("ways are compared on one machine", why="every arm would wait for the others", hint=hint)
    arms = arms_of(advice.recommendation, advice.knowledge, advice.facts, args.questions)
    if not any(arm.plan is not None for arm in arms):
        raise AdvisorError("no arm can be run", why="; ".join(f"{arm.name}: {arm.why_not}" for arm in arms)[:800])
    wanted = Path(args.run_dir) if args.run_dir else None
    folder = Path() if args.dry_run else make_run_folder("compare", wanted)
    recommended = recommended_arm(advice.recommendation)
    return Contest(folder, arms, recommended, model, args.questions, args.budget, args.price)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < sys.maxsize:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 2 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of questions from 2 to 100000")
    return int(text)
