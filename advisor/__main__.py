"""`advisor` and `python -m advisor`: the error boundary around every command."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import NoReturn

from advisor.startup import prepare


def main() -> int:
    """Run the command line. Returns the documented exit code; a fault is told in a sentence, never as a traceback."""
    prepare()
    _make_streams_safe()
    from advisor.cli import run_command

    try:
        code = run_command(sys.argv[1:])
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader went away (a pager, head). Point stdout elsewhere so that the interpreter's last flush is quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, Exception) as error:
        return _failed(error)


def _failed(error: BaseException) -> int:
    """Tell what ended the command. Loaded only then: help and version need no types of the domain."""
    from advisor.domain.errors import AdvisorError, ExitCode

    if isinstance(error, AdvisorError):
        print(error.message(), file=sys.stderr)
        return int(error.code)
    if isinstance(error, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    return _unexpected(error)


def _make_streams_safe() -> None:
    """A stream that was closed is opened on nothing, so that no file gets its number; a character that the terminal's
    encoding lacks is written as a question mark."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            # The lowest free number is taken: this one, since those before it are open.
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
        elif number and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def start() -> NoReturn:
    """The console script: run the command, then leave at once.

    Taking the interpreter apart frees memory that the system takes back anyway, for about 30 ms of every command.
    """
    code = main()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _unexpected(error: BaseException) -> int:
    """Keep the traceback in a file for a bug report; tell the person one sentence."""
    import tempfile
    import traceback

    from advisor.domain.errors import ExitCode

    if isinstance(error, OSError) and error.errno is not None:
        print(f"error: {error.strerror}: {error.filename or ''}".rstrip(": "), file=sys.stderr)
        return int(ExitCode.DISK)
    try:
        with tempfile.NamedTemporaryFile("w", prefix="advisor-", suffix=".log", delete=False) as file:
            traceback.print_exception(error, file=file)
        place = file.name
    except OSError:
        place = "(no place to write the details)"
    print(f"error: unexpected: {type(error).__name__}: {error}", file=sys.stderr)
    print(f"  details: {place}", file=sys.stderr)
    return int(ExitCode.RUN_FAILED)


if __name__ == "__main__":
    start()
