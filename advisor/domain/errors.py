"""Exit codes, diagnostics and the one exception that front ends turn into a message.

Expected trouble is a `Diagnostic` value. `AdvisorError` is for trouble that ends a command.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from advisor.domain.base import Frozen


class ExitCode(IntEnum):
    """What a process says when it ends; scripts rely on these numbers."""

    DONE = 0
    RUN_FAILED = 1
    BAD_INPUT = 2
    NOTHING_FEASIBLE = 3
    HARDWARE = 4
    OUT_OF_MEMORY = 5
    DISK = 6
    ALREADY_ACTIVE = 7
    REFUSED = 8
    INTERRUPTED = 130
    TERMINATED = 143


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    DANGER = "danger"


class Diagnostic(Frozen):
    """Something a person should know: what, why, and what to do."""

    severity: Severity
    code: str
    """Stable, kebab-case: what kind of trouble, for scripts and tests."""
    text: str
    because: str = ""
    hint: str = ""


class AdvisorError(Exception):
    """Ends a command with a message (what, why, what to do) and a documented exit code."""

    def __init__(self, what: str, *, why: str = "", hint: str = "", code: ExitCode = ExitCode.BAD_INPUT) -> None:
        self.what, self.why, self.hint, self.code = what, why, hint, code
        super().__init__(self.message())

    def message(self) -> str:
        """The message as lines for stderr."""
        lines = [f"error: {self.what}"]
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.hint:
            lines.append(f"  try: {self.hint}")
        return "\n".join(lines)
