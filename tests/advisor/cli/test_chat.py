"""`advisor chat` from a pipe: one answer per line, nothing that a terminal would obey, no hang."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from executors.constrain import Constraint
from executors.prompt.file import PromptFile
from tests.chat_runs import make_chat_run

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def run_dir(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    constraint = Constraint(json_schema={"type": "object", "properties": {"n": {"enum": [1, 22]}}, "required": ["n"]})
    prompt = PromptFile(strategy="structured-output", system="Be brief.", constraint=constraint, max_tokens=20)
    return make_chat_run(tmp_path_factory.mktemp("chat") / "run", tiny_model, prompt)


def chat(run_dir: Path, text: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "advisor", "chat", str(run_dir), *options],
        input=text,
        capture_output=True,
        timeout=120,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_one_answer_per_line(run_dir: Path) -> None:
    """Each line is answered on a line of its own through the step's prompt: here always valid JSON. Control characters
    and bytes that are no text do no harm."""
    done = chat(run_dir, b"What is it?\n\n\x1b[31mand \x00 this?\n" + b"\xff\xfe?\n")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert [json.loads(line)["n"] in (1, 22) for line in lines] == [True] * 3
    assert b"\x1b" not in done.stdout + done.stderr


def test_the_baseline_can_be_asked(run_dir: Path) -> None:
    """`--step 0` is the model before the first step, without the prompt; its answer is one printable line."""
    done = chat(run_dir, b"What is it?\n", "--step", "0", "--max-tokens", "8")
    assert done.returncode == 0
    text = done.stdout.decode()
    assert len(text.splitlines()) == 1
    assert text.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--step", "7"], "nothing to talk to"),
        (["--step", "lora"], "0 baseline, 1 system-prompt"),
        (["--max-tokens", "0"], "1 to 32768"),
        (["--temperature", "x"], "0 to 10"),
    ],
)
def test_bad_usage(run_dir: Path, options: list[str], said: str) -> None:
    """A step that is not there and values out of range end with exit code 2 and what is possible."""
    done = chat(run_dir, b"", *options)
    assert done.returncode == 2
    assert said in done.stderr.decode()


def test_no_run(tmp_path: Path) -> None:
    """A folder that is no run is told as such."""
    done = chat(tmp_path, b"hi\n")
    assert done.returncode == 2
    assert b"not a run folder" in done.stderr


def test_a_damaged_prompt_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    """A file that is not what its manifest says is named before anything reads it."""
    folder = make_chat_run(tmp_path / "run", tiny_model, PromptFile(system="Be brief."))
    file = next(folder.rglob("prompt.json"))
    file.write_text(file.read_text().replace("brief", "rude!"))
    done = chat(folder, b"hi\n")
    assert done.returncode != 0
    assert b"prompt.json" in done.stderr
