"""Two recommendations side by side: what one answers file gives that the other does not."""

from __future__ import annotations

import json
from typing import Any

from advisor.domain.recommendation import Recommendation
from advisor.report.document import Block, Bullet, Bullets, Heading, Paragraph, Table, to_html, to_markdown, to_text
from advisor.report.units import duration, gib

TITLE = "Difference of two recommendations"


def render_difference(first: Recommendation, other: Recommendation, form: str) -> str:
    """The difference in `form` (text | markdown | html | json)."""
    if form == "json":
        return json.dumps(difference(first, other), indent=2, ensure_ascii=False) + "\n"
    blocks = _blocks(first, other)
    if form == "markdown":
        return to_markdown(blocks)
    return to_html(blocks, TITLE) if form == "html" else to_text(blocks)


def difference(first: Recommendation, other: Recommendation) -> dict[str, Any]:
    """Facts that differ, both stacks, and the warnings only one of them has."""
    keys = sorted({*first.facts, *other.facts})
    facts = {
        key: {"first": first.facts.get(key), "other": other.facts.get(key)}
        for key in keys
        if key != "defaults" and first.facts.get(key) != other.facts.get(key)
    }
    codes = [{warning.code: warning.text for warning in side.warnings} for side in (first, other)]
    return {
        "schema": 1,
        "facts": facts,
        "stack": {"first": [e.technique for e in first.stack], "other": [e.technique for e in other.stack]},
        "warnings": {
            "first_only": {code: text for code, text in codes[0].items() if code not in codes[1]},
            "other_only": {code: text for code, text in codes[1].items() if code not in codes[0]},
        },
        "chain": {
            "first": first.chain.model_dump(mode="json"),
            "other": other.chain.model_dump(mode="json"),
        },
    }


def _blocks(first: Recommendation, other: Recommendation) -> list[Block]:
    found = difference(first, other)
    shown = {
        k: v for k, v in found["facts"].items() if not isinstance(v["first"], dict) and not isinstance(v["other"], dict)
    }
    facts = Table(("fact", "first", "other"), tuple((k, str(v["first"]), str(v["other"])) for k, v in shown.items()))
    chain = Table(
        ("whole chain", "first", "other"),
        (
            ("stack", *(" -> ".join(found["stack"][side]) or "nothing feasible" for side in ("first", "other"))),
            ("peak GPU GiB", gib(first.chain.peak_gpu_gib), gib(other.chain.peak_gpu_gib)),
            ("peak RAM GiB", gib(first.chain.peak_ram_gib), gib(other.chain.peak_ram_gib)),
            ("peak disk GiB", gib(first.chain.peak_disk_gib), gib(other.chain.peak_disk_gib)),
            ("time", duration(first.chain.seconds), duration(other.chain.seconds)),
        ),
    )
    blocks: list[Block] = [Heading(TITLE, 1), Heading("Stacks"), chain, Heading("Facts that differ")]
    blocks.append(facts if shown else Paragraph("None."))
    for side in ("first", "other"):
        only = found["warnings"][f"{side}_only"]
        if only:
            items = tuple(Bullet(f"{code}: {text}") for code, text in only.items())
            blocks += [Heading(f"Warnings only in the {side}"), Bullets(items)]
    return blocks
