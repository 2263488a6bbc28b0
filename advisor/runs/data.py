"""Prepares a data set outside a run: one executor in a process of its own, its result in a folder the person names."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, ExitCode

EXECUTORS = {
    "quality": "data.quality",
    "mix": "data.mix",
    "format": "data.format",
    "synthesize": "data.synthesize",
    "translate": "data.translate",
}
"""What is done, and the executor that does it."""
Hear = Callable[[dict[str, Any]], None]


def prepare_data(what: str, config: dict[str, Any], model: str, output: Path, hear: Hear) -> dict[str, Any]:
    """Run one preparation and return its report. `hear` gets every event.

    Raises AdvisorError: the output folder is there already (2), or with the worker's own reason and exit code.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise AdvisorError(f"{output} is there already", hint="name a new folder")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=output.parent).close()
    except OSError as error:
        raise AdvisorError(
            f"{output} cannot be written",
            why=error.strerror or str(error),
            hint="choose another place",
            code=ExitCode.DISK,
        ) from None
    with tempfile.TemporaryDirectory(prefix="advisor-data-") as place:
        request = {
            "technique": what,
            "executor": EXECUTORS[what],
            "config": config,
            "inputs": {"roles": {"model": {"kind": "causal-lm", "path": model}}, "scratch": place},
            "target": str(output.absolute()),
            "kind": "dataset",
        }
        file = Path(place) / "request.json"
        file.write_text(json.dumps(request))
        _run(file, hear)
    found: dict[str, Any] = json.loads((output / "report.json").read_text())
    return found


def _run(request: Path, hear: Hear) -> None:
    command = [sys.executable, "-P", "-m", "executors.worker", str(request)]
    trouble: dict[str, Any] = {}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=request.parent) as process:
        assert process.stdout is not None
        try:
            for event in _events(process.stdout):
                trouble = event if event.get("severity") == "danger" else trouble
                hear(event)
            code = process.wait()
        except BaseException:
            process.kill()
            raise
    if code == 0:
        return
    known = {int(word): word for word in ExitCode}
    text = trouble.get("text") or f"the worker ended with exit code {code}"
    why, hint = trouble.get("because", ""), trouble.get("hint", "")
    raise AdvisorError(text, why=why, hint=hint, code=known.get(code, ExitCode.RUN_FAILED))


def _events(stream: Any) -> Iterator[dict[str, Any]]:
    for line in stream:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event
