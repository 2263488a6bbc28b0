"""What `advisor matrix` prints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from advisor.cli import run_command
from advisor.domain.errors import AdvisorError

KEYS = ["first", "then", "verdict", "reach", "acts_on", "condition", "because", "fix", "evidence"]


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert run_command(["matrix", *argv]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def as_json(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(printed(capsys, *argv, "--json"))
    return value


def test_json_shape(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole matrix as JSON: schema, profile, golden order, and every pair with the keys that scripts read."""
    value = as_json(capsys)
    assert list(value) == ["schema", "profile", "golden_order", "interactions"]
    assert (value["schema"], value["profile"]) == (1, "default")
    assert value["golden_order"] == ["distill", "finetune", "merge", "prune", "quantize"]
    assert all(list(entry)[: len(KEYS)] == KEYS for entry in value["interactions"])
    pairs = {(entry["first"], entry["then"]) for entry in value["interactions"] if entry["first"] != entry["then"]}
    assert len(pairs) == 13 * 12


def test_json_is_stable(capsys: pytest.CaptureFixture[str]) -> None:
    """The same input gives the same bytes."""
    assert printed(capsys, "--json") == printed(capsys, "--json")


def test_source_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    """`--profile source-matrix` gives the twenty cells of the source."""
    value = as_json(capsys, "--profile", "source-matrix")
    assert value["profile"] == "source-matrix"
    assert len(value["interactions"]) == 20


def test_pair(capsys: pytest.CaptureFixture[str]) -> None:
    """Two families give the entries of that pair alone, with condition, reason and evidence in the text too."""
    value = as_json(capsys, "prune", "finetune")
    assert {(e["first"], e["then"]) for e in value["interactions"]} == {("prune", "finetune")}
    assert len(value["interactions"]) > 2
    text = printed(capsys, "prune", "finetune")
    assert all(word in text for word in ("because:", "evidence (paper, strong):", "if:", "disputed:", "[shears"))


def test_techniques_narrow(capsys: pytest.CaptureFixture[str]) -> None:
    """Two techniques give only the entries that can decide for them."""
    value = as_json(capsys, "depth-pruning", "lora")
    assert value["interactions"][0]["verdict"] == "best"
    assert all(not e["first_techniques"] or "depth-pruning" in e["first_techniques"] for e in value["interactions"])


def test_heat_map_fits(capsys: pytest.CaptureFixture[str]) -> None:
    """The heat map has a row and a column per family, a legend, and at most 80 columns."""
    lines = printed(capsys).splitlines()
    assert max(len(line) for line in lines) <= 80
    assert len(lines[0].split()[3:]) == 13
    row = next(line for line in lines if line.startswith("quantize")).split()
    assert row[1:11] == ["+", "+", "x", "x*", "x*", "x", "x", "x", "x", "x"]
    assert any("golden order: distill > finetune" in line for line in lines)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["prun", "finetune"], "did you mean 'prune'"),
        (["lroa", "quantize"], "did you mean 'lora'"),
        (["prune"], "two names"),
        (["--profile", "defualt"], "default"),
    ],
)
def test_mistakes(argv: list[str], said: str) -> None:
    """A wrong name is an error that names the nearest."""
    with pytest.raises(AdvisorError, match=said):
        run_command(["matrix", *argv])
