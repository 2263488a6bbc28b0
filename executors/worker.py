"""One piece of work in a process of its own: `python -m executors.worker REQUEST.json`.

Descriptor 1 carries events and nothing else: it is duplicated first, then 1 and 2 go to `output.log` beside the
request, so that no library can print into the stream. It writes only below its step's folder.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from executors.process.request import Request
    from executors.process.say import Channel


def main(argv: list[str] | None = None) -> int:
    """Run the request named by the first argument. Returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    path = Path(arguments[0]).resolve()
    events = _take_over_output(path.parent / "output.log")

    from executors.process.say import Channel

    say = Channel(events)
    say.send({"type": "opened", "pid": os.getpid()})
    if len(arguments) > 1:
        _die_with(int(arguments[1]))
    code, status, reason = _work(path, say)
    say.close()
    say.send({"type": "closed", "status": status, "exit_code": code, "reason": reason})
    return code


def _take_over_output(log: Path) -> int:
    """A private duplicate of stdout for events; descriptors 1 and 2 become the log."""
    events = os.dup(1)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    import faulthandler

    faulthandler.enable()
    return events


def _die_with(lifeline: int) -> None:
    """End this process group when the supervisor's end of the pipe closes, however the supervisor ended."""
    import signal
    import threading

    def watch() -> None:
        while os.read(lifeline, 1):
            pass
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(int(128 + signal.SIGKILL))

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def _work(path: Path, say: Channel) -> tuple[int, str, str]:
    """Exit code, status and reason. Every exception ends here: its traceback goes to the log only."""
    import signal
    import traceback

    from executors.process.trouble import STOPPED, classify
    from executors.protocol import Stopped

    signal.signal(signal.SIGTERM, lambda *_: say.ask_to_stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _perform(path, say)
        return 0, "done", ""
    except Stopped:
        return STOPPED, "stopped", "stopped as asked; what was saved is kept"
    except BaseException as error:
        _write_to_log(traceback.format_exc())
        trouble = classify(error)
        say.diagnostic("danger", trouble.code, trouble.text, trouble.because, trouble.hint)
        return trouble.exit_code, "failed", trouble.text


def _write_to_log(text: str) -> None:
    """Append to the log; a disk too full for it must not hide what is being reported."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _perform(path: Path, say: Channel) -> None:
    from executors.process.environment import prepare_environment
    from executors.process.request import read_request

    request = read_request(path)
    prepare_environment(request.inputs.threads)

    from executors.process.data_paths import placed
    from executors.process.produce import produce_artifact, produce_evaluation
    from executors.process.resolve import configure, resolve

    executor = resolve(request.executor, request.package)
    config = configure(executor, request.technique or request.executor, placed(request.config, request.inputs))
    _check_inputs(request)
    produce = produce_evaluation if request.phase == "evaluate" else produce_artifact
    produce(executor, config, request, say)


def _check_inputs(request: Request) -> None:
    """Refuse a damaged artifact by name before any library reads it. Raises AdvisorError."""
    from advisor.domain.errors import AdvisorError
    from executors.artifact import verify

    for role, parent in request.parents.items():
        if not parent.path.startswith("steps/"):
            continue
        place = Path(request.inputs.path(role))
        folder = place if place.is_dir() else place.parent
        found = verify(folder)
        if not found.is_whole:
            raise AdvisorError(
                f"{folder / found.file} {found.reason}",
                why=f"it is the {role} of this step, and its manifest no longer fits",
                hint="advisor resume makes it again",
            )


if __name__ == "__main__":
    # Everything is saved and said by now; exit handlers of native libraries can only hang or crash.
    _CODE = main()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(_CODE)
