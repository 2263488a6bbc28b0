"""`advisor matrix`: the interaction matrix as a heat map of text, or all that is known of one pair."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.domain.interaction import Interaction, Profile

SUMMARY = "the interaction matrix, or one pair"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", nargs="?", metavar="FIRST", help="family or technique that is done first")
    parser.add_argument("then", nargs="?", metavar="THEN", help="family or technique that follows")
    parser.add_argument("--profile", default="default", choices=("default", "source-matrix"), help="which matrix")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import write, write_json
    from advisor.domain.errors import AdvisorError
    from advisor.knowledge import load_knowledge
    from advisor.report.knowledge import between, matrix_lines, pair_lines

    knowledge = load_knowledge()
    profile = knowledge.profile(args.profile)
    if args.first is not None and args.then is None:
        raise AdvisorError("a pair needs two names", hint=f"e.g. advisor matrix {args.first} quantize")
    is_pair = args.first is not None
    entries = between(knowledge, profile, args.first, args.then) if is_pair else profile.interactions
    if args.json:
        write_json(_as_json(profile, entries))
    elif is_pair:
        write("\n".join(pair_lines(args.first, args.then, profile.id, entries)) + "\n")
    else:
        write("\n".join(matrix_lines(profile)) + "\n")
    return 0


def _as_json(profile: Profile, entries: tuple[Interaction, ...]) -> dict[str, Any]:
    return {
        "schema": 1,
        "profile": profile.id,
        "golden_order": [family.value for family in profile.golden_order],
        "interactions": [_entry(entry) for entry in entries],
    }


def _entry(entry: Interaction) -> dict[str, Any]:
    return {
        "first": entry.first.value,
        "then": entry.then.value,
        "verdict": entry.verdict.value,
        "reach": entry.reach.value,
        "acts_on": entry.acts_on.value,
        "condition": entry.condition,
        "because": entry.because,
        "fix": entry.fix,
        "evidence": [evidence.model_dump(mode="json") for evidence in entry.evidence],
        "id": entry.id,
        "severity": entry.severity.value,
        "first_techniques": list(entry.first_techniques),
        "then_techniques": list(entry.then_techniques),
        "disputed_by": list(entry.disputed_by),
        "sources": list(entry.sources),
    }
