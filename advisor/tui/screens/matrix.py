"""Matrix: what doing one family and then another does to a model, as a heat map that opens into its entries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import Header, Static

from advisor.domain.errors import AdvisorError
from advisor.domain.knowledge import Knowledge
from advisor.domain.words import Family
from advisor.knowledge import load_knowledge
from advisor.report.knowledge import (
    LEGEND,
    SYMBOLS,
    Cell,
    Matrix,
    disagreement_lines,
    disagreements_on,
    pair_lines,
    section,
)
from advisor.report.run import change
from advisor.runs.measured_pairs import PairMeasured, Pairs, measured_pairs
from advisor.tui.widgets.footer import Footer
from advisor.tui.widgets.heat_map import DISPUTED, MEASURED, NARROWED, HeatMap
from advisor.tui.widgets.lines import Lines, Make

if TYPE_CHECKING:
    from advisor.tui.app import AdvisorApp


class MatrixScreen(Screen[None]):
    """The whole matrix of a profile."""

    ABOUT = "Rows are done first, columns then. Arrows move, enter opens all that is known of a pair."
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "profile", "Other profile"),
        Binding("c", "command", "As command"),
        Binding("escape", "app.pop_screen", "Back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._knowledge: Knowledge = load_knowledge()
        self._profile = ""
        self._measured: Pairs = {}

    def compose(self) -> ComposeResult:
        self._profile = self.app.profile
        yield Header(icon="")
        yield HeatMap(self._matrix, lambda first, then: bool(disagreements_on(self._knowledge, first, then)))
        yield Static(id="legend", markup=False)
        yield Static(id="pair", markup=False)
        yield Lines(id="pair-here")
        yield Footer()

    def on_mount(self) -> None:
        self._show_profile(self._profile)
        self.query_one(HeatMap).focus()
        self.run_worker(self._look_at_runs(), exclusive=True)

    async def _look_at_runs(self) -> None:
        """Reports are read beside the keys: there may be many."""
        try:
            self._measured = await asyncio.to_thread(measured_pairs, self._knowledge.by_id)
        except AdvisorError:
            return  # without a home there are no runs
        if self._measured:
            self.query_one(HeatMap).mark(frozenset(self._measured))
            self.on_heat_map_moved(HeatMap.Moved(self.query_one(HeatMap).cell))

    @property
    def _matrix(self) -> Matrix:
        return Matrix(self._knowledge.profile(self._profile))

    def _show_profile(self, profile_id: str) -> None:
        self._profile = profile_id
        self.sub_title = f"interactions, profile {profile_id}"
        matrix = self._matrix
        marks = f"{NARROWED} cases differ   {DISPUTED} sources disagree   {MEASURED} measured here   {profile_id}"
        self.query_one("#legend", Static).update(f"{LEGEND}\n{marks}\n{matrix.golden_order}")
        self.query_one(HeatMap).show(matrix)

    def action_profile(self) -> None:
        known = [profile.id for profile in self._knowledge.profiles]
        self._show_profile(known[(known.index(self._profile) + 1) % len(known)])

    def action_command(self) -> None:
        cell = self.query_one(HeatMap).cell
        command = f"advisor matrix {cell.first} {cell.then} --profile {self._profile}"
        self.app.copy_to_clipboard(command)
        self.notify(command, markup=False)

    def on_heat_map_moved(self, event: HeatMap.Moved) -> None:
        self.query_one("#pair", Static).update("\n".join(summary_lines(event.cell)))
        self.query_one("#pair-here", Lines).show(self._lines_of(event.cell))

    def on_heat_map_opened(self, event: HeatMap.Opened) -> None:
        self.app.push_screen(PairScreen(self._lines_of(event.cell)))

    def _lines_of(self, cell: Cell) -> Make:
        knowledge, profile_id = self._knowledge, self._profile
        measured = self._measured.get((cell.first, cell.then), ())
        return lambda width: [*cell_lines(knowledge, profile_id, cell, width), *measured_lines(measured, width)]


class PairScreen(ModalScreen[None]):
    """Everything that is known of one pair."""

    ABOUT = "The cases of a pair in the order in which they are tried, with evidence and dissent."
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "Close")]

    def __init__(self, make: Make) -> None:
        super().__init__()
        self._make = make

    def compose(self) -> ComposeResult:
        yield Lines(id="pair-text")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#pair-text", Lines).show(self._make)
        self.query_one("#pair-text").focus()


def summary_lines(cell: Cell) -> list[str]:
    """A cell in a few lines: the pair, the verdict that holds by default, how many cases there are, and why."""
    pair = f"{cell.first}, then {cell.then}"
    if not cell.entries:
        return [f"{pair}: this profile says nothing"]
    usual = cell.entries[-1]
    count = len(cell.entries) - 1
    narrower = f", and {count} narrower case{'s' if count > 1 else ''}" if count else ""
    return [f"{pair}: {SYMBOLS[usual.verdict]} {usual.verdict}{narrower}", usual.because]


def cell_lines(knowledge: Knowledge, profile_id: str, cell: Cell, width: int) -> list[str]:
    """All entries of a pair, and the disagreements between sources that concern it."""
    lines = pair_lines(cell.first, cell.then, profile_id, cell.entries, width)
    for entry in disagreements_on(knowledge, Family(cell.first), Family(cell.then)):
        lines += ["", *disagreement_lines(entry, width)]
    return lines


def measured_lines(measured: Sequence[PairMeasured], width: int) -> list[str]:
    """What runs on this machine measured of a pair."""
    effects = (
        f"{each.then} after {each.first}: {each.effect.metric.replace('_', ' ')} {change(each.effect)} ({each.run})"
        for each in measured
    )
    return section("Measured here", effects, width)
