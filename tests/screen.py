"""A small terminal: runs a program in a pseudo-terminal, types keys, and knows what stands on its screen.

It understands what Textual and rich send: cursor positions, erasing, colours (dropped), wrapping.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

SEQUENCE = re.compile(
    r"\x1b\[([<>=?]?)([0-9;:]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[PX^_][^\x1b]*\x1b\\|\x1b[()][A-Z0-9]|\x1b[^\[\]PX^_()]"
)
KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "backspace": "\x7f",
    "tab": "\t",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "space": " ",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "ctrl+b": "\x02",
    "ctrl+g": "\x07",
}


class Grid:
    """Characters on a screen of `rows` x `columns`."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        self._rest = ""

    def resize(self, rows: int, columns: int) -> None:
        """Another size; what fits keeps standing, as in a real terminal: a program need not draw it again."""
        kept = [line[:columns] + [" "] * (columns - len(line)) for line in self.cells[:rows]]
        self.cells = kept + [[" "] * columns for _ in range(rows - len(kept))]
        self.rows, self.columns = rows, columns
        self.row, self.column = min(self.row, rows - 1), min(self.column, columns)

    def feed(self, text: str) -> None:
        """Apply what a program wrote; a sequence cut at the end waits for the rest."""
        text, position = self._rest + text, 0
        self._rest = ""
        while position < len(text):
            char = text[position]
            if char == "\x1b":
                match = SEQUENCE.match(text, position)
                if match is None:
                    self._rest = text[position:]
                    return
                self._control(match)
                position = match.end()
                continue
            self._put(char)
            position += 1

    def _put(self, char: str) -> None:
        if char == "\n":
            self.row += 1
        elif char == "\r":
            self.column = 0
        elif char == "\b":
            self.column = max(0, self.column - 1)
        elif char >= " ":
            if self.column >= self.columns:
                self.row, self.column = self.row + 1, 0
            if self.row >= self.rows:
                self._scroll()
            self.cells[self.row][self.column] = char
            self.column += 1
        if self.row >= self.rows:
            self._scroll()

    def _scroll(self) -> None:
        while self.row >= self.rows:
            self.cells.pop(0)
            self.cells.append([" "] * self.columns)
            self.row -= 1

    def _control(self, match: re.Match[str]) -> None:
        private, arguments, final = match.group(1), match.group(2), match.group(3)
        if private or final is None:
            return
        numbers = [int(n) if n.isdigit() else 0 for n in (arguments or "").split(";")]
        first = max(1, numbers[0])
        if final in "Hf":
            self.row = min(self.rows, first) - 1
            self.column = min(self.columns, max(1, numbers[1] if len(numbers) > 1 else 1)) - 1
        elif final in "ABCD":
            self.row = min(self.rows - 1, max(0, self.row + {"A": -first, "B": first}.get(final, 0)))
            self.column = min(self.columns - 1, max(0, self.column + {"C": first, "D": -first}.get(final, 0)))
        elif final == "G":
            self.column = min(self.columns, first) - 1
        elif final == "J" and numbers[0] in (2, 3):
            self.cells = [[" "] * self.columns for _ in range(self.rows)]
        elif final == "K":
            start, end = (0, self.columns) if numbers[0] == 2 else (self.column, self.columns)
            self.cells[self.row][start:end] = [" "] * (end - start)

    def text(self) -> str:
        """The screen as lines."""
        return "\n".join("".join(line).rstrip() for line in self.cells)


class Terminal:
    """A program in a pseudo-terminal of its own."""

    def __init__(
        self,
        command: list[str],
        rows: int = 24,
        columns: int = 80,
        environment: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.grid = Grid(rows, columns)
        self.raw = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.attributes_before = termios.tcgetattr(slave)
        self._slave = slave
        base = {
            # These would win over the window's own size; parallel test runners set them.
            **{key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")},
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LC_ALL": "C.UTF-8",
            **(environment or {}),
        }
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=base, cwd=cwd, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip

    def read(self, seconds: float = 0.05) -> None:
        """Take in what was written, waiting at most `seconds`."""
        while select.select([self._master], [], [], seconds)[0]:
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:
                return
            if not data:
                return
            self.raw += data
            self.grid.feed(self._decoder.decode(data))
            seconds = 0.02

    def wait_for(self, text: str, seconds: float = 20.0) -> str:
        """The screen once `text` stands on it. Fails with the screen when it does not appear in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.read()
            shown = self.grid.text()
            if text in shown:
                return shown
            if self.process.poll() is not None:
                self.read()
                break
        if text in self.grid.text():
            return self.grid.text()
        raise AssertionError(f"{text!r} did not appear; the screen:\n{self.grid.text()}")

    def press(self, *keys: str) -> None:
        """Type keys by name (`enter`, `down`) or as text, each its own keystroke."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key).encode())
            # Escape followed at once by a letter is another key (alt and the letter).
            self.read(0.4 if key == "escape" else 0.08)

    def press_now(self, text: str) -> None:
        """Type without waiting for what it does."""
        os.write(self._master, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Another size of the window; the kernel tells the program with SIGWINCH."""
        self.read(0.3)  # a frame still on its way was drawn for the old size
        self.grid.resize(rows, columns)
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_for_last_line(self, text: str, seconds: float = 20.0) -> None:
        """Wait until the lowest line holds `text`: the program has taken the window's size."""
        deadline = time.monotonic() + seconds
        while text not in (last := self.grid.text().split("\n")[-1]):
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} is not on the last line {last!r}; the screen:\n{self.grid.text()}")
            self.read()

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait_end(self, seconds: float = 10.0) -> int:
        """The exit code, once the program has ended."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        if self.process.poll() is None:
            raise AssertionError(f"the program did not end; the screen:\n{self.grid.text()}")
        self.read()
        return self.process.returncode

    def is_restored(self) -> bool:
        """The program left the alternate screen, showed the cursor, and put the line settings back."""
        left = self.raw.rfind(b"\x1b[?1049l") > self.raw.rfind(b"\x1b[?1049h")
        shown = self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(b"\x1b[?25l")
        return left and shown and termios.tcgetattr(self._slave)[:4] == self.attributes_before[:4]

    def close(self) -> None:
        """End the program if it still runs, and give the descriptors back."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)
        os.close(self._slave)
