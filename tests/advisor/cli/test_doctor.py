"""`advisor doctor`: a health block without anything private."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.cli import run_command
from advisor.cli.doctor import redact

SECRETS = {
    "HF_TOKEN": "hf_" + "abCD" * 9,
    "OPENAI_API_KEY": "sk-" + "abCD" * 12,
    "AWS_ACCESS_KEY_ID": "AKIA" + "A1B2" * 4,
    "GITHUB_TOKEN": "ghp_" + "a1B2" * 9,
    "LANG": "xoxb-" + "a1B2" * 9,
}


def test_the_block_names_versions_hardware_and_folders(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything a bug report needs, in one go and without an option."""
    assert run_command(["doctor"]) == 0
    text = capsys.readouterr().out
    for word in ("technique-advisor", "Python 3.", "GPU", "CPU", "RAM", "pydantic", "torch", "cache", "runs", "tty"):
        assert word in text


def test_nothing_private_is_in_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Tokens in the environment, the home folder and the user's name do not appear; that a token is set does."""
    home = tmp_path / "somebody"
    home.mkdir()
    for name, value in {**SECRETS, "HOME": str(home), "USER": "somebody"}.items():
        monkeypatch.setenv(name, value)
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    run_command(["doctor"])
    text = capsys.readouterr().out
    assert not [value for value in SECRETS.values() if value in text]
    assert "somebody" not in text
    assert "~/" in text and "HF_TOKEN" in text


def test_a_user_name_is_taken_out_of_paths_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name `torch` of a user called so stays in the list of packages."""
    monkeypatch.setenv("USER", "torch")
    monkeypatch.setenv("HOME", "/nowhere")
    assert redact("torch 2.13 in /mnt/torch/cache") == "torch 2.13 in /mnt/USER/cache"
