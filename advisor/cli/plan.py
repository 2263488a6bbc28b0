"""`advisor plan`: the executable plan of an answers file, or of a mergekit file."""

from __future__ import annotations

import argparse

SUMMARY = "the executable plan of an answers file, or of a mergekit file, exact and editable"


def configure(parser: argparse.ArgumentParser) -> None:
    from advisor.cli.gates import add_gates
    from advisor.cli.parser import add_hardware_overrides

    parser.add_argument("answers", help="answers file ('-': stdin), or mergekit's YAML")
    parser.add_argument("--output", metavar="FILE", help="write the plan there")
    add_gates(parser)
    parser.add_argument("--profile", default="default", choices=("default", "source-matrix"))
    add_hardware_overrides(parser)


def run(args: argparse.Namespace) -> int:
    from advisor.cli.gates import with_gates
    from advisor.cli.output import note, write
    from advisor.cli.top import nothing_feasible, overrides_of
    from advisor.domain.errors import AdvisorError
    from advisor.files import dump_yaml
    from advisor.files.mergekit import is_mergekit, read_mergekit
    from advisor.runs.advise import advise_file, plan_of

    if args.answers != "-" and is_mergekit(args.answers):
        if overrides_of(args).is_any or args.profile != "default":
            why = "a mergekit file says itself what is merged"
            raise AdvisorError("--gpu, --no-gpu, --ram and --profile go with an answers file", why=why)
        plan = read_mergekit(args.answers)
    else:
        advice = advise_file(args.answers, overrides_of(args), args.profile)
        if not advice.recommendation.feasible:
            raise nothing_feasible(advice.recommendation, args.answers)
        plan = plan_of(advice)
    plan = with_gates(plan, args)
    write(dump_yaml(plan), args.output)
    for line in plan.notes:
        note(f"note: {line}")
    if args.output:
        note(f"next: advisor run {args.output}")
    return 0
