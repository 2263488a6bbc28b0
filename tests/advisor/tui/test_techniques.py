"""The techniques screen."""

from __future__ import annotations

import pytest
from textual.widgets import OptionList, Static

from advisor.domain.words import Family
from advisor.knowledge import load_knowledge
from advisor.tui.app import AdvisorApp
from advisor.tui.screens.techniques import ModelScreen, TechniquesScreen
from advisor.tui.widgets.lines import Lines


def shown(app: AdvisorApp) -> list[str]:
    return [line for line, _ in app.screen.query_one("#page", Lines)._lines]


def listed(app: AdvisorApp) -> list[str]:
    found = app.screen.query_one("#found", OptionList)
    return [str(found.get_option_at_index(i).id) for i in range(found.option_count)]


async def test_search_and_family(app: AdvisorApp) -> None:
    """Typing narrows the list and shows the best; f goes through the families and back to all."""
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(TechniquesScreen())
        await pilot.pause()
        everything = listed(app)
        await pilot.press("slash", *"awq")
        assert listed(app)[0] == "awq"
        assert "AWQ" in shown(app)[0]
        await pilot.press("escape")
        assert listed(app) == everything
        families = [f for f in Family if any(t.family is f for t in load_knowledge().techniques)]
        for family in families:
            await pilot.press("f")
            assert listed(app) == [t.id for t in load_knowledge().techniques if t.family is family]
        await pilot.press("f")
        assert listed(app) == everything


async def test_nothing_found(app: AdvisorApp) -> None:
    """A search that finds nothing says so, and nothing can be asked or taken."""
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(TechniquesScreen(is_picking=True))
        await pilot.pause()
        await pilot.press("slash", *"zzz", "enter", "enter")
        assert shown(app)[0] == "Nothing is found."
        assert isinstance(app.screen, TechniquesScreen)


async def test_would_it_fit(app: AdvisorApp) -> None:
    """The model is asked once; then every technique is answered for, until w takes the answer away."""
    async with app.run_test(size=(120, 40)) as pilot:
        app.push_screen(TechniquesScreen())
        await pilot.pause()
        await pilot.press("slash", *"full-sft", "enter", "w")
        assert isinstance(app.screen, ModelScreen)
        await pilot.press("0", "enter")
        assert "no size of a model" in str(app.screen.query_one("#fault", Static).content)
        await pilot.press("backspace", "8", "enter")
        await pilot.pause()
        assert shown(app)[0] == "Would it fit here?  NO"
        assert "24.0 are free" in " ".join(" ".join(shown(app)).split())
        await pilot.press("w")
        assert not shown(app)[0].startswith("Would it fit")


@pytest.mark.parametrize("key", ["enter", "escape"])
async def test_picking(app: AdvisorApp, key: str) -> None:
    """Enter gives the technique back to the screen that asked, escape nothing."""
    taken: list[str | None] = []
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(TechniquesScreen(is_picking=True), taken.append)
        await pilot.pause()
        await pilot.press("down", key)
        await pilot.pause()
    second = load_knowledge().techniques[1].id
    assert taken == [second if key == "enter" else None]
