"""The state of a run folder: its events folded, and whether anybody still runs it."""

from __future__ import annotations

from pathlib import Path

from advisor.domain.run import RunState
from advisor.runs.follow import tail
from advisor.runs.prepare import holder


def load_state(run_dir: Path) -> RunState:
    """Where the run stands now. Status `interrupted`: it began, did not finish, and nobody runs it."""
    is_active = holder(run_dir) is not None
    state, offset = RunState(), 0
    while True:
        events, after = tail(run_dir, offset)
        for event in events:
            state = state.after(event)
        if after == offset:
            return settled(state, is_active)
        offset = after


def settled(state: RunState, is_active: bool) -> RunState:
    """`state`, or the same as interrupted when it says running but nobody runs it."""
    if state.status != "running" or is_active:
        return state
    steps = tuple(
        step.model_copy(update={"status": "stopped"}) if step.status in ("running", "evaluating") else step
        for step in state.steps
    )
    reason = "interrupted: its supervisor is gone"
    return state.model_copy(update={"status": "interrupted", "reason": reason, "steps": steps, "current": None})
