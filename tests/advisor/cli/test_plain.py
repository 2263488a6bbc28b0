"""`advisor --plain` asks numbered questions on plain lines, and leaves an answers file that gives the same advice."""

from __future__ import annotations

from pathlib import Path

from tests.advisor.cli.test_bad_input import advisor, assert_refused

WALK = ["2", "3", "2", "1", "1", "builtin:smollm2-135m-instruct", "2"]
"""Change behaviour, and optimize; a task; limited compute; memory and latency; the model; instruction-tuned."""


def test_a_walk_saves_answers_that_replay(tmp_path: Path) -> None:
    """The report of the walk and that of the saved file recommend the same stack."""
    lines = [*WALK, *["s"] * 40]
    asked = advisor("--plain", cwd=tmp_path, stdin="\n".join(lines) + "\n")
    questions = asked.stdout.count("Why it is asked:")
    lines = [*WALK, *["s"] * (questions - len(WALK)), "mine.yaml", "n"]
    walked = advisor("--plain", cwd=tmp_path, stdin="\n".join(lines) + "\n")
    assert walked.returncode == 0, walked.stderr
    assert "Saved." in walked.stdout
    again = advisor("--non-interactive", "mine.yaml", cwd=tmp_path)
    stack = again.stdout.split("Stack\n")[1].split("Why\n")[0]
    assert "technique" in stack
    names = [line.split()[1] for line in stack.splitlines() if line[:1].isdigit()]
    assert names and all(f" {name} " in walked.stdout for name in names)


def test_back_quit_and_mistakes(tmp_path: Path) -> None:
    """A mistake is asked again, b goes back, q leaves without saving; no box art, no escape codes."""
    done = advisor("--plain", cwd=tmp_path, stdin="9\n2\nb\n1\nq\n")
    assert done.returncode == 0
    assert "not among the answers" in done.stdout
    assert done.stdout.count("What do you want from the model") == 3
    assert "Nothing was saved." in done.stdout
    assert "\x1b" not in done.stdout and "─" not in done.stdout


def test_input_that_ends_early_is_told(tmp_path: Path) -> None:
    """The end of input in the middle is an error, not a hang and not a traceback."""
    assert_refused(advisor("--plain", cwd=tmp_path, stdin="2\n"), 2, "ended in the middle")
