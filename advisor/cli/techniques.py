"""`advisor techniques`: every technique, or one with all that is known of it. It gives no advice."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.domain.knowledge import Knowledge
    from advisor.domain.technique import Technique

SUMMARY = "every technique, or one with when, needs, settings and evidence"
LEGEND = "* runs here; the others are advised on. advisor techniques ID tells more."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", help="one technique; without it, all of them")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import write, write_json
    from advisor.knowledge import load_knowledge
    from advisor.report.knowledge import technique_lines, technique_list_lines

    knowledge = load_knowledge()
    if args.id is None:
        if args.json:
            write_json({"schema": 1, "techniques": [_row(technique) for technique in knowledge.techniques]})
        else:
            write("\n".join([*technique_list_lines(knowledge), "", LEGEND]) + "\n")
        return 0
    technique = find(knowledge, args.id)
    if args.json:
        whole = technique.model_dump(mode="json", by_alias=True)
        write_json({"schema": 1, "techniques": [{**_row(technique), **whole}]})
    else:
        write("\n".join(technique_lines(technique)) + "\n")
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
