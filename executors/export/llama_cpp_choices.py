"""What llama.cpp itself makes of a GGUF file: a process of its own, since a native crash must not end the step.

`python -m executors.export.llama_cpp_choices FILE` reads lists of token ids as JSON from its input and prints, as JSON,
the most likely next token after every one. Needs the optional package `llama-cpp-python`, and is not asked without it.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

SECONDS = 600


def is_installed() -> bool:
    """Whether llama-cpp-python can be imported."""
    return importlib.util.find_spec("llama_cpp") is not None


def choices(file: Path, prompts: list[list[int]]) -> list[list[int]] | str:
    """llama.cpp's first choice after every token of every prompt; or, when it fails, what it said."""
    command = [sys.executable, "-m", "executors.export.llama_cpp_choices", str(file)]
    try:
        done = subprocess.run(
            command, input=json.dumps(prompts), capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it did not answer within {SECONDS} seconds"
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        return said[-1] if said else f"it ended with status {done.returncode}"
    found: list[list[int]] = json.loads(done.stdout.splitlines()[-1])
    return found


def agreement(first: list[list[int]], second: list[list[int]]) -> float:
    """Share of positions where both name the same token."""
    pairs = [(a, b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True)]
    return sum(a == b for a, b in pairs) / max(1, len(pairs))


def _answer(file: str) -> None:
    from llama_cpp import Llama

    prompts = json.load(sys.stdin)
    model = Llama(model_path=file, n_ctx=max(len(ids) for ids in prompts) + 1, logits_all=True, verbose=False)
    found = []
    for ids in prompts:
        model.reset()
        model.eval(ids)
        found.append([int(row.argmax()) for row in model.scores[: len(ids)]])
    model.close()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    _answer(sys.argv[1])
