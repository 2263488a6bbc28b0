"""`advisor` without a command: the app, the plain walk, or `--non-interactive`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advisor.domain.errors import AdvisorError
    from advisor.domain.knowledge import Knowledge
    from advisor.domain.recommendation import Recommendation
    from advisor.runs.advise import Advice, Overrides

SHOWN_REASONS = 3
SUMMARY = "which techniques, in which order, for your model, data and hardware"


def configure(parser: argparse.ArgumentParser) -> None:
    from advisor.cli.parser import add_hardware_overrides

    parser.add_argument("--non-interactive", metavar="ANSWERS", dest="answers")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--format", default="text", choices=("text", "markdown", "json", "html"))
    parser.add_argument("--output", metavar="FILE")
    parser.add_argument("--execute", action="store_true")
    parser.add_argument("--run-dir", metavar="DIR")
    parser.add_argument("--diff", metavar="OTHER")
    parser.add_argument("--profile", default="default", choices=("default", "source-matrix"))
    parser.add_argument("--version", action="store_true")
    add_hardware_overrides(parser)


def overrides_of(args: argparse.Namespace) -> Overrides:
    """The simulated hardware the options ask for."""
    from advisor.domain.errors import AdvisorError
    from advisor.runs.advise import Overrides

    if args.gpu and args.no_gpu:
        raise AdvisorError("--gpu and --no-gpu contradict each other", hint="keep one")
    return Overrides(gpus=tuple(args.gpu or ()), no_gpu=args.no_gpu, ram_gib=args.ram)


def tell_simulated(advice: Advice) -> None:
    """Say, of plans for simulated hardware, where they run."""
    from advisor.cli.output import note

    if advice.hardware.is_simulated:
        note("simulated hardware: the plan is made for it, and runs on this machine")


def run(args: argparse.Namespace) -> int:
    _refuse_unread_options(args)
    if args.version:
        from advisor import __version__

        print(f"advisor {__version__}")
        return 0
    if args.answers is not None:
        return _non_interactive(args)
    if args.plain:
        from advisor.cli.plain import walk

        return walk(overrides_of(args), args.profile)
    return _app(args)


def _refuse_unread_options(args: argparse.Namespace) -> None:
    """An option that this way of starting would not read is an error, not silence."""
    from advisor.domain.errors import AdvisorError

    if args.answers is not None and args.plain:
        raise AdvisorError("--plain and --non-interactive contradict each other", hint="keep one")
    if args.answers is None:
        given = {"--execute": args.execute, "--output": args.output, "--diff": args.diff, "--run-dir": args.run_dir}
        unread = [name for name, value in {**given, "--format": args.format != "text"}.items() if value]
        if unread:
            raise AdvisorError(f"{unread[0]} needs --non-interactive ANSWERS", hint="advisor --help shows examples")
    elif args.diff and args.execute:
        raise AdvisorError("--diff and --execute contradict each other", hint="compare first, then execute one of them")
    elif args.run_dir and not args.execute:
        raise AdvisorError("--run-dir needs --execute", why="nothing is run without it")


def _non_interactive(args: argparse.Namespace) -> int:
    from advisor.cli.output import note, write
    from advisor.domain.errors import ExitCode
    from advisor.runs.advise import advise_file

    overrides = overrides_of(args)
    advice = advise_file(args.answers, overrides, args.profile)
    name = "ANSWERS" if args.answers == "-" else args.answers
    if args.diff:
        from advisor.report.difference import render_difference

        other = advise_file(args.diff, overrides, args.profile)
        write(render_difference(advice.recommendation, other.recommendation, args.format), args.output)
        return 0
    recommendation = advice.recommendation.model_copy(update={"next_command": _next_command(advice, name)})
    write(_rendered(recommendation, args.format, advice.knowledge), args.output)
    if not recommendation.feasible:
        note(nothing_feasible(recommendation, name).message())
        return int(ExitCode.NOTHING_FEASIBLE)
    if not args.execute:
        return 0
    # Beside a report that a program reads, the run's own report would spoil stdout.
    return _execute(advice, args.run_dir, quiet_stdout=args.format != "text" and args.output is None)


def _rendered(recommendation: Recommendation, form: str, knowledge: Knowledge) -> str:
    """The report. JSON is what programs wait for: it loads nothing that only text needs."""
    if form == "json":
        from advisor.report.contract import to_json

        return to_json(recommendation)
    from advisor.report.recommendation import render

    return render(recommendation, form, knowledge)


def _next_command(advice: Advice, name: str) -> str:
    if not advice.recommendation.feasible:
        return ""
    from advisor.domain.errors import AdvisorError
    from advisor.runs.advise import plan_of

    try:
        plan_of(advice)
    except AdvisorError:
        return f"advisor plan {name}"  # which says what is missing
    return f"advisor --non-interactive {name} --execute"


def nothing_feasible(recommendation: Recommendation, name: str) -> AdvisorError:
    """What to say when no stack is possible: the first reasons, and where the rest stands."""
    from advisor.domain.errors import AdvisorError, ExitCode

    reasons = [f"{r.technique}: {r.because}" for r in recommendation.rejected[:SHOWN_REASONS]]
    more = len(recommendation.rejected) - len(reasons)
    hint = f"advisor --non-interactive {name} shows every reason"
    return AdvisorError(
        "nothing is feasible in this situation",
        why="\n       ".join([*reasons, *([f"and {more} more"] if more else [])]),
        hint=hint + (", and what would make it feasible" if recommendation.flips else ""),
        code=ExitCode.NOTHING_FEASIBLE,
    )


def _execute(advice: Advice, run_dir: str | None, *, quiet_stdout: bool) -> int:
    from advisor.cli.run import execute_plan
    from advisor.runs.advise import plan_of

    return execute_plan(plan_of(advice), run_dir, advice=advice, quiet_stdout=quiet_stdout)


def _app(args: argparse.Namespace) -> int:
    from advisor.domain.errors import AdvisorError

    if not (sys.stdin.isatty() and sys.stderr.isatty()) or os.environ.get("TERM", "dumb") in ("", "dumb"):
        raise AdvisorError(
            "the app needs a terminal",
            why="standard input or standard error is not one, or TERM is dumb",
            hint="advisor --non-interactive ANSWERS prints the report; advisor --plain asks on plain lines",
        )
    from advisor.tui.start import start

    return start(overrides_of(args), args.profile)
