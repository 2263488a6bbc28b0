"""Tests of `advisor completion`."""

from __future__ import annotations

import subprocess

import pytest

from advisor.cli import COMMANDS, run_command

DRIVER = """
COMP_WORDS=({words}); COMP_CWORD={place}; _advisor; printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def _script(capsys: pytest.CaptureFixture[str], shell: str) -> str:
    assert run_command(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "place", "expected"),
    [
        ("advisor re", 1, {"resume", "report"}),
        ("advisor --non", 1, {"--non-interactive"}),
        ("advisor schema an", 2, {"answers"}),
        ("advisor techniques qlo", 2, {"qlora"}),
        ("advisor matrix fine", 2, {"finetune"}),
        ("advisor run --det", 2, {"--detach"}),
    ],
)
def test_bash_completes(capsys: pytest.CaptureFixture[str], words: str, place: int, expected: set[str]) -> None:
    """Bash offers the commands, the options of the command typed, and the words it takes."""
    script = _script(capsys, "bash") + DRIVER.format(words=words, place=place)
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True)
    assert expected <= set(done.stdout.split())


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_every_command_is_there(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    """No command is forgotten."""
    script = _script(capsys, shell)
    assert [command for command in COMMANDS if f"{command}" not in script] == []
