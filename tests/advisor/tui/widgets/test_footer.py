"""The line of keys at the bottom."""

from __future__ import annotations

from advisor.tui.app import AdvisorApp
from advisor.tui.screens.matrix import MatrixScreen, PairScreen
from advisor.tui.screens.techniques import TechniquesScreen
from advisor.tui.widgets.footer import Footer


def line(app: AdvisorApp) -> str:
    return app.screen.query_one(Footer).render().plain


async def test_keys_of_the_focused_widget(app: AdvisorApp) -> None:
    """It names the screen's keys, those of the widget that has the focus, and the palette last."""
    async with app.run_test(size=(120, 40)) as pilot:
        app.push_screen(MatrixScreen())
        await pilot.pause()
        assert "Other profile" in line(app)
        assert "Open the pair" in line(app)
        assert line(app).rstrip().endswith("palette")
        app.push_screen(TechniquesScreen())
        await pilot.pause()
        assert "Would it fit?" in line(app)
        assert "Open the pair" not in line(app)


async def test_a_click_is_the_key(app: AdvisorApp) -> None:
    """A click on a key does what the key does, and beside them nothing."""
    async with app.run_test(size=(120, 40)) as pilot:
        app.push_screen(MatrixScreen())
        await pilot.pause()
        before = app.screen.sub_title
        await pilot.click(Footer, offset=(104, 0))
        await pilot.pause()
        assert app.screen.sub_title == before
        await pilot.click(Footer, offset=(line(app).index("Other"), 0))
        await pilot.pause()
        assert app.screen.sub_title != before
        await pilot.click(Footer, offset=(line(app).index("Open"), 0))
        await pilot.pause()
        assert isinstance(app.screen, PairScreen)


async def test_the_palette_is_there_on_a_narrow_screen(app: AdvisorApp) -> None:
    """Where not all keys have room, those at the end give way to the palette, and no key is cut in two."""
    async with app.run_test(size=(40, 24)) as pilot:
        app.push_screen(TechniquesScreen())
        await pilot.pause()
        assert len(line(app)) == 40
        assert line(app).rstrip().endswith("palette")
        assert line(app).startswith(" tab Read / list  / Search ")
