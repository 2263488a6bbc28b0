"""What `advisor techniques` prints."""

from __future__ import annotations

import json

import pytest

from advisor.cli import run_command
from advisor.domain.errors import AdvisorError

KEYS = ["id", "name", "family", "executable", "why_not", "sources"]


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert run_command(["techniques", *argv]) == 0
    return capsys.readouterr().out


def test_json_shape(capsys: pytest.CaptureFixture[str]) -> None:
    """All techniques as JSON, each with the keys that scripts read and no others."""
    value = json.loads(printed(capsys, "--json"))
    assert list(value) == ["schema", "techniques"]
    assert all(list(row) == KEYS for row in value["techniques"])
    assert len(value["techniques"]) > 80
    lora = next(row for row in value["techniques"] if row["id"] == "lora")
    assert (lora["family"], lora["executable"], lora["why_not"]) == ("finetune", True, None)
    assert all(row["executable"] == (row["why_not"] is None) for row in value["techniques"] if not row["executable"])


def test_one_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One technique as JSON carries all that is known of it."""
    (row,) = json.loads(printed(capsys, "qlora", "--json"))["techniques"]
    assert list(row)[: len(KEYS)] == KEYS
    assert row["settings"] and row["requires"] and row["evidence"]


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    """The list names every technique under its family, in 80 columns."""
    text = printed(capsys)
    assert "Pruning (prune)" in text
    assert "  * lora " in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_page(capsys: pytest.CaptureFixture[str]) -> None:
    """One technique is shown with when, costs, settings, evidence and sources."""
    text = printed(capsys, "lora")
    assert all(f"\n{title}\n" in text for title in ("When", "Gains", "Costs", "Settings", "Evidence", "Sources"))


def test_unknown() -> None:
    """An unknown id is an error that names the nearest."""
    with pytest.raises(AdvisorError, match="did you mean 'qlora'"):
        run_command(["techniques", "qlroa"])
