"""The stack screen: every key changes the draft as `Draft` does, and shows what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static

from advisor.domain.answers import Answers
from advisor.files import read_plan
from advisor.knowledge import load_knowledge
from advisor.runs.advise import Overrides, advise
from advisor.tui.app import AdvisorApp
from advisor.tui.screens.settings import SettingsScreen
from advisor.tui.screens.stack import StackScreen
from advisor.tui.widgets.draft import draft_row, step_lines
from advisor.tui.widgets.lines import Lines

ANSWERS = Answers.model_validate(
    {
        "goal": "change-behavior",
        "also": ["optimize"],
        "behavior": "task",
        "compute": "limited",
        "optimize_for": "memory-latency",
        "model": {"id": "builtin:smollm2-135m-instruct", "params_b": 0.135, "kind": "instruct"},
        "data": {"path": "builtin:stdlib", "kind": "instructions", "seq_len": 256},
        "serve": {"target": "cpu", "bits": 8, "runtime": "llama.cpp"},
    }
)


async def opened(app: AdvisorApp, pilot: Pilot[int]) -> StackScreen:
    screen = StackScreen(advise(ANSWERS, Overrides(no_gpu=True, ram_gib=12)))
    app.push_screen(screen)
    await pilot.pause()
    return screen


def steps(screen: StackScreen) -> list[str]:
    table = screen.query_one(DataTable)
    return [str(table.get_row_at(row)[1]) for row in range(table.row_count)]


def told(screen: StackScreen) -> str:
    return str(screen.query_one("#told", Static).content)


async def test_reorder_fix_undo_redo(app: AdvisorApp) -> None:
    """J moves a step and the cursor with it, f repairs, u and U go back and forth; the table always shows the draft."""
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        assert steps(screen) == ["lora", "adapter-merge", "gguf"]
        await pilot.press("J")
        assert steps(screen) == ["adapter-merge", "lora", "gguf"]
        assert screen.query_one(DataTable).cursor_row == 1
        assert "CANNOT BE RUN" in str(screen.query_one("#chain", Static).content)
        await pilot.press("shift+up")
        assert steps(screen) == ["lora", "adapter-merge", "gguf"]
        await pilot.press("down", "d")
        assert steps(screen) == ["lora", "gguf"]
        await pilot.press("f")
        assert steps(screen) == ["lora", "adapter-merge", "gguf"]
        assert told(screen) == "The fix adds adapter-merge as step 2."
        await pilot.press("u", "u", "u", "u", "u")
        assert steps(screen) == ["lora", "adapter-merge", "gguf"]
        await pilot.press("U")
        assert steps(screen) == ["adapter-merge", "lora", "gguf"]


async def test_warnings_change_while_moving(app: AdvisorApp) -> None:
    """What is wrong with the stack as it stands is told at once, the gravest first."""
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("J")
        faults = screen.query_one("#faults", Lines)
        assert "DANGER adapter-merge needs an adapter" in faults._lines[0][0]
        await pilot.press("u")
        assert "DANGER" not in " ".join(line for line, _ in faults._lines)


async def test_add(app: AdvisorApp) -> None:
    """a picks a technique and puts it behind the step under the cursor."""
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("a", "slash", *"wanda", "enter")
        await pilot.pause()
        assert steps(screen) == ["lora", "wanda", "adapter-merge", "gguf"]
        await pilot.press("a", "slash", *"wanda", "enter")
        await pilot.pause()
        assert "in the stack already" in told(screen)
        await pilot.press("a", "escape")
        assert len(steps(screen)) == 4


async def test_settings(app: AdvisorApp) -> None:
    """A form of the executor's settings: a wrong value is told while it is typed and cannot be taken over."""
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("e")
        await pilot.pause()
        form = app.screen
        assert isinstance(form, SettingsScreen)
        box = form.query_one("#set-rank", Input)
        assert box.has_focus and box.placeholder == "16"
        await pilot.press(*"50000")
        assert "less than or equal to 4096" in str(form.query_one("#fault", Static).content)
        await pilot.press("enter")
        assert app.screen is form
        await pilot.press("backspace", "backspace", "backspace", "enter")
        await pilot.pause()
        assert app.screen is screen
        assert screen.draft.steps[0].settings == {"rank": 50}
        assert steps(screen)[0] == "lora*"
        await pilot.press("u")
        assert steps(screen)[0] == "lora"


async def test_settings_move_the_costs(app: AdvisorApp) -> None:
    """The memory of the step follows what is typed, and escape leaves everything as it was."""
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("e")
        await pilot.pause()
        costs = app.screen.query_one("#costs", Static)
        before = str(costs.content)
        box = app.screen.query_one("#set-micro_batch", Input)
        box.value = "64"
        await pilot.pause()
        assert str(costs.content) != before and "This step: " in before
        await pilot.press("escape")
        assert screen.draft.steps[0].settings == {}


async def test_nothing_to_set(app: AdvisorApp) -> None:
    """A step that is not run here has no form; the reason is told."""
    known = load_knowledge().techniques
    advised = next(found.id for found in known if found.executor is None and found.role == "step")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("a", "slash", *advised, "enter")
        await pilot.pause()
        await pilot.press("e")
        assert f"{advised} is not run here" in told(screen)


async def test_everything_dropped(app: AdvisorApp) -> None:
    """An empty stack says how to go on, and no key fails on it."""
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("d", "d", "d", "d", "J", "K", "e", "f", "r")
        await pilot.pause()
        assert steps(screen) == []
        assert "the stack is empty" in told(screen)
        assert "a adds a technique" in screen.query_one("#step-side", Lines)._make(60)[0]


async def test_the_plan_is_saved(app: AdvisorApp, tmp_path: Path) -> None:
    """w writes the plan of the stack as it stands, never over another, and c names the command that runs it."""
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("w", "c")
        assert told(screen) == "advisor run plan.yaml"
        await pilot.press("down", "down", "d", "w")
        assert told(screen) == "Written: plan-2.yaml"
        await pilot.press("up", "d", "w")
    first, second = read_plan(str(tmp_path / "plan.yaml")), read_plan(str(tmp_path / "plan-2.yaml"))
    assert [s.technique for s in first.steps] == ["lora", "adapter-merge", "gguf"]
    assert [s.technique for s in second.steps] == ["lora", "adapter-merge"]


async def test_what_cannot_run_is_refused(app: AdvisorApp) -> None:
    """r on a broken stack says what is wrong, and starts nothing."""
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("J", "r")
        await pilot.pause(0.3)
        assert "this stack cannot be run" in told(screen)
        assert app.screen is screen


@pytest.mark.parametrize("width", [30, 60])
async def test_rows_and_step(app: AdvisorApp, width: int) -> None:
    """A row marks settings of one's own and memory beyond what is free; the step tells its reasons and its costs."""
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        facts = screen.draft.situation.facts
        draft = screen.draft.configure(0, {"micro_batch": 512, "seq_len": 2048})
        row = draft_row(1, draft.judged.stack[0], True, facts)
        assert row[1] == "lora*" and row[2].endswith("RAM!")
        lines = step_lines(draft, 0, width)
        assert {"Why", "Order", "Costs", "Settings"} <= set(lines)
        assert any("micro_batch: 512 (yours)" in line for line in lines)
        assert [line for line in lines if len(line) > width and " " in line.strip()] == []
