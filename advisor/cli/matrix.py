"""`advisor matrix`: the interaction matrix as a heat map of text, or all that is known of one pair."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.domain.interaction import Interaction, Profile
    from advisor.domain.knowledge import Knowledge

SUMMARY = "the interaction matrix, or one pair"
SYMBOLS = {"best": "++", "ok": "+", "conditional": "~", "bad": "x", "impossible": "!", "none": "·"}
LEGEND = "++ best   + ok   ~ depends   x bad   ! impossible   · no known interaction"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", nargs="?", metavar="FIRST", help="family or technique that is done first")
    parser.add_argument("then", nargs="?", metavar="THEN", help="family or technique that follows")
    parser.add_argument("--profile", default="default", choices=("default", "source-matrix"), help="which matrix")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import write, write_json
    from advisor.domain.errors import AdvisorError
    from advisor.knowledge import load_knowledge

    knowledge = load_knowledge()
    profile = knowledge.profile(args.profile)
    if args.first is not None and args.then is None:
        raise AdvisorError("a pair needs two names", hint=f"e.g. advisor matrix {args.first} quantize")
    is_pair = args.first is not None
    entries = between(knowledge, profile, args.first, args.then) if is_pair else profile.interactions
    if args.json:
        write_json(_as_json(profile, entries))
    elif is_pair:
        write(_pair(args.first, args.then, profile, entries))
    else:
        write(_heat_map(profile))
    return 0


def between(knowledge: Knowledge, profile: Profile, first: str, then: str) -> tuple[Interaction, ...]:
    """What the profile says of two families or techniques, in the order in which it is decided.

    Raises AdvisorError naming the nearest for a name that is neither.
    """
    (first_family, first_id), (then_family, then_id) = _named(knowledge, first), _named(knowledge, then)
    return tuple(
        entry
        for entry in profile.interactions
        if (entry.first, entry.then) == (first_family, then_family)
        and (first_id is None or not entry.first_techniques or first_id in entry.first_techniques)
        and (then_id is None or not entry.then_techniques or then_id in entry.then_techniques)
    )


def _named(knowledge: Knowledge, name: str) -> tuple[str, str | None]:
    """The family a name stands for, and the technique when it is one."""
    from advisor.domain.errors import AdvisorError
    from advisor.files.validate import did_you_mean

    families = knowledge.vocabulary["families"]
    if name in families:
        return name, None
    if name in knowledge.by_id:
        return knowledge.by_id[name].family.value, name
    guess = did_you_mean(name, [*families, *knowledge.by_id])
    raise AdvisorError(f"{name!r} is no family and no technique{guess}", hint="advisor matrix shows the families")


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


def _heat_map(profile: Profile) -> str:
    from advisor.domain.words import Family

    pairs: dict[tuple[str, str], list[Interaction]] = {}
    for entry in profile.interactions:
        pairs.setdefault((entry.first, entry.then), []).append(entry)
    families = [family for family in Family if any(family in pair for pair in pairs)]
    lines = [f"{'first / then':<13}" + "".join(f"{family[:4]:<5}" for family in families)]
    for first in families:
        cells = "".join(f"{_cell(pairs.get((first, then), [])):<5}" for then in families)
        lines.append(f"{first:<13}{cells}")
    lines = [line.rstrip() for line in lines]
    order = " > ".join(profile.golden_order)
    notes = ["", LEGEND, "* narrower cases differ: advisor matrix FIRST THEN", f"golden order: {order}"]
    return "\n".join([*lines, *notes]) + "\n"


def _cell(entries: list[Interaction]) -> str:
    """The verdict that holds when no narrower entry does, starred when there are some."""
    if not entries:
        return ""
    return SYMBOLS[entries[-1].verdict] + ("*" if len(entries) > 1 else "")


def _pair(first: str, then: str, profile: Profile, entries: tuple[Interaction, ...]) -> str:
    from advisor.cli.wrapped import evidence_text, wrapped

    lines = [f"{first}, then {then}  (profile {profile.id}; the first case that fits decides)"]
    for entry in entries:
        distance = "however far apart" if entry.reach == "any" else "one right after the other"
        lines += ["", f"{SYMBOLS[entry.verdict]} {entry.verdict}  [{distance}; acts on: {entry.acts_on}]"]
        for title, names in (("first", entry.first_techniques), ("then", entry.then_techniques)):
            lines += wrapped(f"  {title}: ", ", ".join(names)) if names else []
        lines += wrapped("  if: ", entry.condition) if entry.condition else []
        lines += wrapped("  because: ", entry.because)
        lines += wrapped("  instead: ", entry.fix) if entry.fix else []
        for evidence in entry.evidence:
            lines += wrapped(f"  evidence ({evidence.kind}, {evidence.strength}): ", evidence_text(evidence))
        if entry.disputed_by:
            lines += wrapped("  disputed: ", f"{entry.disputed_text} [{'; '.join(entry.disputed_by)}]")
        lines += wrapped("  source: ", "; ".join(entry.sources))
    if not entries:
        lines += ["", "This profile says nothing of the pair."]
    return "\n".join(lines) + "\n"
