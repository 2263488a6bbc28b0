"""A run folder over the tiny model whose only step left a prompt, made by hand: something to talk to."""

from __future__ import annotations

import json
from pathlib import Path

from executors.artifact import Manifest, write_manifest
from executors.prompt.file import PromptFile, write_prompt


def make_chat_run(folder: Path, model: Path, prompt: PromptFile) -> Path:
    """The folder of a finished run: baseline, and step 1 `system-prompt`."""
    artifact = folder / "steps" / "01-system-prompt" / "artifact"
    artifact.mkdir(parents=True)
    write_prompt(prompt, artifact)
    write_manifest(artifact, Manifest(kind="prompt", executor="prompt"))
    step = {
        "number": 1, "technique": "system-prompt", "family": "prompt", "executor": "prompt",
        "inputs": {"model": "base"}, "produces": "prompt",
    }  # fmt: skip
    plan = {"schema": 1, "name": "talk", "model": {"kind": "causal-lm", "path": str(model)}, "steps": [step]}
    (folder / "plan.yaml").write_text(json.dumps(plan))
    started = {
        "type": "run.started",
        "seq": 1,
        "time": 1.0,
        "version": "1.1",
        "plan": "talk",
        "steps": ["baseline", "system-prompt"],
    }
    finished = {"type": "run.finished", "seq": 2, "time": 2.0, "status": "done", "exit_code": 0}
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in (started, finished)))
    return folder
