"""What a key costs in the app: time of the drawing thread from the key to the finished screen, by screen and key."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from unittest.mock import patch

from textual.screen import Screen

from advisor.domain.answers import Answers
from advisor.domain.profiles import CpuProfile, GpuProfile, HardwareProfile
from advisor.runs.advise import Overrides, advise

MACHINE = HardwareProfile(
    gpus=(GpuProfile(uuid="0", name="RTX 4090", total_gib=24, free_gib=24),),
    cpu=CpuProfile(name="bench", cores=8),
    ram_gib=64,
    ram_free_gib=60,
    disk_gib=500,
)
ANSWERS = {
    "goal": "change-behavior",
    "also": ["optimize"],
    "behavior": "task",
    "compute": "limited",
    "optimize_for": "memory-latency",
    "model": {"params_b": 8, "kind": "instruct"},
    "data": {"kind": "instructions", "examples": 5000, "seq_len": 1024},
    "hardware": {"gpus": [{"name": "RTX 4090", "memory_gib": 24}], "ram_gib": 64, "disk_gib": 500},
}
LIMIT_MS = 50
STACK = ["down", "up", "J", "K", "d", "u", "U", "u", "f", "u", "i", "i"]
MATRIX = ["down", "right", "down", "right", "left", "up", "p", "end", "home", "p"]
TECHNIQUES = ["w", "down", "down", "down", "up", "f", "down", "w", "f", "w", "tab", "down", "tab", "c"]
ROUNDS = 8
Make = Callable[[], Screen[object]]


async def _pressed(make: Make, keys: list[str], size: tuple[int, int]) -> dict[str, list[float]]:
    """Milliseconds of this thread for every press of every key, on a fresh app."""
    from advisor.tui.app import AdvisorApp

    found: dict[str, list[float]] = {}
    app = AdvisorApp(MACHINE, Overrides(), "default")
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await asyncio.sleep(1.0)  # what a person takes to read the first screen
        app.push_screen(make())
        await pilot.pause()
        for key in keys * ROUNDS:
            before = time.thread_time()
            await pilot.press(key)
            found.setdefault(key, []).append((time.thread_time() - before) * 1000)
    return found


def _screens() -> dict[str, tuple[Make, list[str]]]:
    from advisor.tui.screens.matrix import MatrixScreen
    from advisor.tui.screens.stack import StackScreen
    from advisor.tui.screens.techniques import TechniquesScreen

    advice = advise(Answers.model_validate(ANSWERS), Overrides())
    return {
        "stack": (lambda: StackScreen(advice), STACK),  # type: ignore[dict-item,return-value]
        "matrix": (lambda: MatrixScreen(), MATRIX),  # type: ignore[dict-item,return-value]
        "techniques": (lambda: TechniquesScreen(advice.facts), TECHNIQUES),  # type: ignore[dict-item,return-value]
    }


def run() -> None:
    """Print median and worst of each key, at both sizes, and how many presses took longer than a person is to wait."""
    everything: list[float] = []
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, XDG_DATA_HOME=folder):
        print("| screen | size | key | presses | median ms | worst ms |\n| --- | --- | --- | ---: | ---: | ---: |")
        for name, (make, keys) in _screens().items():
            for size in ((80, 24), (120, 40)):
                for key, times in asyncio.run(_pressed(make, keys, size)).items():
                    everything += times
                    row = f"{len(times)} | {statistics.median(times):.0f} | {max(times):.0f}"
                    print(f"| {name} | {size[0]}x{size[1]} | `{key}` | {row} |")
    over = sum(ms > LIMIT_MS for ms in everything)
    print(f"\n{len(everything)} presses, {over} of them over {LIMIT_MS} ms; the worst took {max(everything):.0f} ms.")
