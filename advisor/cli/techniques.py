"""`advisor techniques`: every technique, or one with all that is known of it. It gives no advice."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.domain.knowledge import Knowledge
    from advisor.domain.technique import Technique

SUMMARY = "every technique, or one with when, needs, settings and evidence"
WIDTH = 80


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", help="one technique; without it, all of them")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import write, write_json
    from advisor.knowledge import load_knowledge

    knowledge = load_knowledge()
    if args.id is None:
        if args.json:
            write_json({"schema": 1, "techniques": [_row(technique) for technique in knowledge.techniques]})
        else:
            write(_table(knowledge))
        return 0
    technique = find(knowledge, args.id)
    if args.json:
        whole = technique.model_dump(mode="json", by_alias=True)
        write_json({"schema": 1, "techniques": [{**_row(technique), **whole}]})
    else:
        write(_page(technique))
    return 0


def find(knowledge: Knowledge, technique_id: str) -> Technique:
    """The technique of that id. Raises AdvisorError naming the nearest."""
    from advisor.domain.errors import AdvisorError
    from advisor.files.validate import did_you_mean

    found = knowledge.by_id.get(technique_id)
    if found is None:
        guess = did_you_mean(technique_id, knowledge.by_id)
        raise AdvisorError(f"no technique is called {technique_id!r}{guess}", hint="advisor techniques lists them")
    return found


def _row(technique: Technique) -> dict[str, Any]:
    return {
        "id": technique.id,
        "name": technique.name,
        "family": technique.family.value,
        "executable": technique.is_executable,
        "why_not": technique.why_not,
        "sources": list(technique.sources),
    }


def _table(knowledge: Knowledge) -> str:
    from advisor.domain.words import Family

    lines = []
    for family in Family:
        members = [technique for technique in knowledge.techniques if technique.family is family]
        if members:
            lines.append(f"{knowledge.vocabulary['families'][family]} ({family})")
            lines += [f"  {'*' if t.is_executable else ' '} {t.id:<28} {t.name}"[:WIDTH] for t in members]
    lines += ["", "* runs here; the others are advised on. advisor techniques ID tells more."]
    return "\n".join(lines) + "\n"


def _page(technique: Technique) -> str:
    from advisor.cli.wrapped import evidence_text, section, wrapped
    from advisor.engine.conditions import describe

    runs = f"runs here (executors.{technique.executor})" if technique.executor else "does not run here"
    lines = [f"{technique.name}  [{technique.id}, {technique.family}, {technique.role}]", ""]
    lines += wrapped("", technique.summary)
    lines += section("When", technique.when)
    lines += section("Not when", technique.avoid_when)
    lines += section("Data", [technique.data_needed] if technique.data_needed else [])
    lines += section("Refused unless", (f"{describe(r.condition)}. {r.because}" for r in technique.requires))
    lines += section("Gains", technique.pros)
    lines += section("Costs", technique.cons)
    lines += section("Notes", technique.notes)
    settings = (f"{s.name}: {s.typical}{f'; default {s.default}' if s.default else ''}" for s in technique.settings)
    lines += section("Settings", settings)
    lines += section("Evidence", (evidence_text(e) for e in technique.evidence))
    lines += section("Tools", [", ".join(technique.tools)] if technique.tools else [])
    lines += section("Papers", (f"{p.title} ({p.year}) {p.url}".rstrip() for p in technique.papers))
    lines += section("Here", [f"{runs}: {technique.why_not}" if technique.why_not else runs])
    lines += section("Sources", technique.sources)
    return "\n".join(lines) + "\n"
