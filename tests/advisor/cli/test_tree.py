"""What `advisor tree` prints."""

from __future__ import annotations

import json

import pytest

from advisor.cli import run_command
from advisor.domain.tree import DecisionTree


def test_json_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON holds the whole tree: read back, it is the same."""
    from advisor.knowledge import load_knowledge

    assert run_command(["tree", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value.pop("schema") == 1
    assert DecisionTree.model_validate(value) == load_knowledge().tree


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    """The text shows where each choice leads: another question by its number, or techniques."""
    assert run_command(["tree"]) == 0
    text = capsys.readouterr().out
    assert "optimize: Make it smaller or faster -> 4a" in text
    assert "task: A task of its own -> 3c" in text
    assert "api: A provider's service -> openai-finetune" in text
