"""What is known, as text: one technique, the list of them, the interaction matrix, one pair of it.

The commands and the app show the same lines. Nothing is advised here; what a profile says is only looked up.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from advisor.domain.errors import AdvisorError
from advisor.domain.interaction import Disagreement, Interaction, Profile
from advisor.domain.knowledge import Knowledge
from advisor.domain.technique import Evidence, Technique
from advisor.domain.words import Family, Verdict

WIDTH = 80
SYMBOLS = {
    Verdict.BEST: "++",
    Verdict.OK: "+",
    Verdict.CONDITIONAL: "~",
    Verdict.BAD: "x",
    Verdict.IMPOSSIBLE: "!",
    Verdict.NONE: "·",
}
LEGEND = "++ best   + ok   ~ depends   x bad   ! impossible   · no known interaction"


def wrapped(mark: str, text: str, width: int = WIDTH) -> list[str]:
    """`text` in lines of at most `width` columns, the first after `mark`, the others indented under it."""
    indent = " " * min(len(mark), 8)
    return textwrap.wrap(
        text, width, initial_indent=mark, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def section(title: str, items: Iterable[str], width: int = WIDTH) -> list[str]:
    """A titled list, or nothing when there are no items."""
    lines = [line for item in items for line in wrapped("  - ", item, width)]
    return ["", title, *lines] if lines else []


def evidence_text(evidence: Evidence) -> str:
    """One piece of evidence as a sentence with its model, figures and source."""
    figures = ", ".join(f"{name} {value}" for name, value in evidence.numbers.items())
    about = "; ".join(part for part in (evidence.model, figures) if part)
    return f"{evidence.text}{f' ({about})' if about else ''} [{evidence.source}]"


def technique_lines(technique: Technique, width: int = WIDTH) -> list[str]:
    """Everything that is known of a technique."""
    from advisor.engine.conditions import describe

    runs = f"runs here (executors.{technique.executor})" if technique.executor else "does not run here"
    settings = (f"{s.name}: {s.typical}{f'; default {s.default}' if s.default else ''}" for s in technique.settings)
    sections: tuple[tuple[str, Iterable[str]], ...] = (
        ("When", technique.when),
        ("Not when", technique.avoid_when),
        ("Data", [technique.data_needed] if technique.data_needed else []),
        ("Refused unless", (f"{describe(r.condition)}. {r.because}" for r in technique.requires)),
        ("Gains", technique.pros),
        ("Costs", technique.cons),
        ("Notes", technique.notes),
        ("Settings", settings),
        ("Evidence", (evidence_text(e) for e in technique.evidence)),
        ("Tools", [", ".join(technique.tools)] if technique.tools else []),
        ("Papers", (f"{p.title} ({p.year}) {p.url}".rstrip() for p in technique.papers)),
        ("Here", [f"{runs}: {technique.why_not}" if technique.why_not else runs]),
        ("Sources", technique.sources),
    )
    title = f"{technique.name}  [{technique.id}, {technique.family}, {technique.role}]"
    lines = [*wrapped("", title, width), "", *wrapped("", technique.summary, width)]
    return lines + [line for title, items in sections for line in section(title, items, width)]


def technique_list_lines(knowledge: Knowledge, width: int = WIDTH) -> list[str]:
    """Every technique under its family, those that run here starred."""
    lines = []
    for family in Family:
        members = [technique for technique in knowledge.techniques if technique.family is family]
        if members:
            lines.append(f"{knowledge.vocabulary['families'][family]} ({family})")
            lines += [f"  {'*' if t.is_executable else ' '} {t.id:<28} {t.name}"[:width] for t in members]
    return lines


@dataclass(frozen=True)
class Cell:
    """One pair of families in a profile: its entries in the order in which they are tried."""

    first: Family
    then: Family
    entries: tuple[Interaction, ...]

    @property
    def verdict(self) -> Verdict | None:
        """The verdict that holds when no narrower entry does; None where the profile is silent."""
        return self.entries[-1].verdict if self.entries else None

    @property
    def is_narrowed(self) -> bool:
        """Narrower cases differ."""
        return len(self.entries) > 1

    @property
    def is_disputed(self) -> bool:
        """A source says otherwise than one of the entries."""
        return any(entry.disputed_by for entry in self.entries)

    @property
    def symbol(self) -> str:
        """The verdict as a sign, starred when narrower cases differ."""
        return "" if self.verdict is None else SYMBOLS[self.verdict] + ("*" if self.is_narrowed else "")


@dataclass(frozen=True)
class Matrix:
    """A profile as rows (done first) and columns (done then) of families."""

    profile: Profile

    @cached_property
    def _pairs(self) -> dict[tuple[Family, Family], tuple[Interaction, ...]]:
        pairs: dict[tuple[Family, Family], tuple[Interaction, ...]] = {}
        for entry in self.profile.interactions:
            key = (entry.first, entry.then)
            pairs[key] = (*pairs.get(key, ()), entry)
        return pairs

    @cached_property
    def families(self) -> tuple[Family, ...]:
        """The families the profile speaks of."""
        return tuple(family for family in Family if any(family in pair for pair in self._pairs))

    def cell(self, first: Family, then: Family) -> Cell:
        """What is done first, and then."""
        return Cell(first, then, self._pairs.get((first, then), ()))

    @property
    def golden_order(self) -> str:
        """The golden order in one line."""
        return "golden order: " + " > ".join(self.profile.golden_order)


def matrix_lines(profile: Profile) -> list[str]:
    """The whole matrix as a heat map of text, with its legend."""
    matrix = Matrix(profile)
    lines = [f"{'first / then':<13}" + "".join(f"{family[:4]:<5}" for family in matrix.families)]
    for first in matrix.families:
        cells = "".join(f"{matrix.cell(first, then).symbol:<5}" for then in matrix.families)
        lines.append(f"{first:<13}{cells}")
    lines = [line.rstrip() for line in lines]
    return [*lines, "", LEGEND, "* narrower cases differ: advisor matrix FIRST THEN", matrix.golden_order]


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
    from advisor.files.validate import did_you_mean

    families = knowledge.vocabulary["families"]
    if name in families:
        return name, None
    if name in knowledge.by_id:
        return knowledge.by_id[name].family.value, name
    guess = did_you_mean(name, [*families, *knowledge.by_id])
    raise AdvisorError(f"{name!r} is no family and no technique{guess}", hint="advisor matrix shows the families")


def pair_lines(first: str, then: str, profile_id: str, entries: Sequence[Interaction], width: int = WIDTH) -> list[str]:
    """What a profile says of a pair: each case with condition, reach, reason, fix, evidence, dissent and sources."""
    title = f"{first}, then {then}  (profile {profile_id}; the first case that fits decides)"
    lines = wrapped("", title, width)
    for entry in entries:
        lines += ["", *_entry_lines(entry, width)]
    return lines if entries else [*lines, "", "This profile says nothing of the pair."]


def _entry_lines(entry: Interaction, width: int) -> list[str]:
    distance = "however far apart" if entry.reach == "any" else "one right after the other"
    lines = wrapped("", f"{SYMBOLS[entry.verdict]} {entry.verdict}  [{distance}; acts on: {entry.acts_on}]", width)
    for title, names in (("first", entry.first_techniques), ("then", entry.then_techniques)):
        lines += wrapped(f"  {title}: ", ", ".join(names), width) if names else []
    lines += wrapped("  if: ", entry.condition, width) if entry.condition else []
    lines += wrapped("  because: ", entry.because, width)
    lines += wrapped("  instead: ", entry.fix, width) if entry.fix else []
    for evidence in entry.evidence:
        lines += wrapped(f"  evidence ({evidence.kind}, {evidence.strength}): ", evidence_text(evidence), width)
    if entry.disputed_by:
        lines += wrapped("  disputed: ", f"{entry.disputed_text} [{'; '.join(entry.disputed_by)}]", width)
    return lines + wrapped("  source: ", "; ".join(entry.sources), width)


def disagreements_on(knowledge: Knowledge, first: Family, then: Family) -> tuple[Disagreement, ...]:
    """The open questions between sources that concern one family beside the other."""
    is_pair = first is not then
    return tuple(entry for entry in knowledge.disagreements if is_pair and {first, then} <= set(entry.families))


def disagreement_lines(entry: Disagreement, width: int = WIDTH) -> list[str]:
    """A question on which sources differ: its sides, the one taken and why, how it can be measured."""
    lines = wrapped("", f"Sources disagree: {entry.question}", width)
    lines += [line for side in entry.sides for line in wrapped("  - ", evidence_text(side), width)]
    lines += wrapped("  taken: ", f"{entry.taken} {entry.because}", width)
    return lines + (wrapped("  measurable: ", entry.measurable, width) if entry.measurable else [])
