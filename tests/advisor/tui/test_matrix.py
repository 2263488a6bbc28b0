"""The matrix screen."""

from __future__ import annotations

import pytest

from advisor.domain.estimate import Range
from advisor.domain.run_report import Comparison
from advisor.domain.words import Family
from advisor.knowledge import load_knowledge
from advisor.report.knowledge import Matrix
from advisor.runs.measured_pairs import PairMeasured
from advisor.tui.app import AdvisorApp
from advisor.tui.screens.matrix import MatrixScreen, PairScreen, cell_lines, summary_lines
from advisor.tui.widgets.heat_map import MEASURED, WORDS, HeatMap
from advisor.tui.widgets.lines import Lines, with_titles


def test_summary() -> None:
    """A cell is summed up by its usual verdict, how many cases are narrower, and why; silence is said to be silence."""
    matrix = Matrix(load_knowledge().profile("default"))
    title, because = summary_lines(matrix.cell(Family.PRUNE, Family.FINETUNE))
    assert title.startswith("prune, then finetune: ") and "narrower cases" in title
    assert because == matrix.cell(Family.PRUNE, Family.FINETUNE).entries[-1].because
    source = Matrix(load_knowledge().profile("source-matrix"))
    (silent,) = summary_lines(source.cell(Family.PRUNE, Family.PRUNE))
    assert silent == "prune, then prune: this profile says nothing"


def test_a_cell_in_full() -> None:
    """Behind the entries of a pair stand the disagreements between sources that concern it."""
    knowledge = load_knowledge()
    cell = Matrix(knowledge.profile("default")).cell(Family.PRUNE, Family.QUANTIZE)
    lines = cell_lines(knowledge, "default", cell, 78)
    assert any(line.startswith("Sources disagree: ") for line in lines)
    assert max(map(len, lines)) <= 78


def test_titles() -> None:
    """The first line and what stands above indented lines are titles; a summary is none."""
    lines = ["Title", "", "A summary.", "", "When", "  - one", "  - two"]
    assert [line for line, is_title in with_titles(lines) if is_title] == ["Title", "When"]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_every_cell_is_drawn(app: AdvisorApp, size: tuple[int, int]) -> None:
    """All thirteen rows and columns are on the screen, each cell with its sign and marks, within the width."""
    async with app.run_test(size=size) as pilot:
        app.push_screen(MatrixScreen())
        await pilot.pause()
        drawn = app.screen.query_one(HeatMap).render().plain.splitlines()
        matrix = Matrix(load_knowledge().profile("default"))
        assert len(drawn) == 14 and max(map(len, drawn)) <= size[0]
        for line, first in zip(drawn[1:], matrix.families, strict=True):
            signs = [matrix.cell(first, then).symbol for then in matrix.families]
            assert line.startswith(first.value)
            shown = [w.strip("▸?") for w in line[13:].replace("▸", " ").split()]
            assert [sign for sign in signs if sign] == [word for word in shown if word not in WORDS.values()]
            assert (len(shown) > len(signs)) == (size[0] > 100), "words where there is room for them"


async def test_a_high_screen_shows_the_pair_whole(app: AdvisorApp) -> None:
    """With room below the map, all that is known of the pair under the cursor stands there without a key."""
    async with app.run_test(size=(120, 40)) as pilot:
        app.push_screen(MatrixScreen())
        await pilot.pause()
        await pilot.press("down", "down", "down", "right", "right", "right", "right")
        await pilot.pause()
        lines = app.screen.query_one("#pair-here", Lines)
        assert lines.display and lines._lines[0][0].startswith("distill, then finetune")


async def test_the_cursor_stays_on_the_pair(app: AdvisorApp) -> None:
    """Another profile keeps the pair under the cursor; at the edges the cursor stays."""
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(MatrixScreen())
        await pilot.pause()
        heat_map = app.screen.query_one(HeatMap)
        await pilot.press("up", "left")
        assert heat_map.place == (0, 0)
        families = list(heat_map._matrix.families)
        heat_map.place = (families.index(Family.PRUNE), families.index(Family.QUANTIZE))
        await pilot.press("p")
        assert (heat_map.cell.first, heat_map.cell.then) == (Family.PRUNE, Family.QUANTIZE)
        assert len(heat_map._matrix.families) == 5
        await pilot.press("enter")
        assert isinstance(app.screen, PairScreen)


async def test_what_was_measured_here(app: AdvisorApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair that runs here measured carries an m, and its page says what was measured."""
    effect = Comparison(metric="held_out_loss", difference=Range(low=0.01, expected=0.02, high=0.03))
    pairs = {(Family.FINETUNE, Family.QUANTIZE): (PairMeasured("lora", "gguf", "a run", effect),)}
    monkeypatch.setattr("advisor.tui.screens.matrix.measured_pairs", lambda _: pairs)
    async with app.run_test(size=(120, 40)) as pilot:
        app.push_screen(MatrixScreen())
        await pilot.pause()
        await app.workers.wait_for_complete()
        heat_map = app.screen.query_one(HeatMap)
        assert sum(MEASURED in line[14:] for line in heat_map.render().plain.splitlines()[1:]) >= 1
        families = heat_map._matrix.families
        heat_map.place = (families.index(Family.FINETUNE), families.index(Family.QUANTIZE))
        await pilot.pause()
        text = [line for line, _ in app.screen.query_one("#pair-here", Lines)._lines]
        assert "Measured here" in text
        assert "gguf after lora: held out loss +2.0 % [+1.0 % to +3.0 %] (a run)" in " ".join(text)
