"""executors/process/resolve.py: only modules below the package, with the right parts."""

from __future__ import annotations

import sys

import pytest

from advisor.domain.errors import AdvisorError
from executors.process.resolve import configure, missing_distributions, resolve
from tests.toy_runs import TOYS


def test_finds_an_executor() -> None:
    """A name below the package is its module."""
    assert resolve("count", TOYS).REQUIRES == ("pydantic",)


@pytest.mark.parametrize(
    "name", ["", ".os", "os", "..os", "count/..", "Count", "antigravity", "process.lock", "worker"]
)
def test_refuses_everything_else(name: str) -> None:
    """Names that leave the package, or modules that are no executors, are refused with a message."""
    before = set(sys.modules)
    with pytest.raises(AdvisorError):
        resolve(name)
    assert "antigravity" not in set(sys.modules) - before


def test_unknown_key_names_the_nearest() -> None:
    """A misspelt setting names the right one."""
    with pytest.raises(AdvisorError) as refused:
        configure(resolve("count", TOYS), "step 1", {"los": 1.0})
    assert "'los'" in refused.value.what
    assert refused.value.hint == "did you mean 'loss'?"


def test_missing_distributions_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an executor requires and is not installed is named."""
    executor = resolve("count", TOYS)
    monkeypatch.setattr(executor, "REQUIRES", ("pydantic", "no-such-distribution-here"))
    assert missing_distributions(executor) == ["no-such-distribution-here"]


def test_settings_that_do_not_go_together_are_told_without_the_whole_config() -> None:
    """A refusal of several settings at once names the step and the trouble, and neither an empty key nor all values."""
    config = {"data": {"path": "rows.jsonl", "kind": "text"}, "method": "prefix-tuning", "gradient_checkpointing": True}
    with pytest.raises(AdvisorError) as refused:
        configure(resolve("finetune"), "step 1 prefix-tuning", config)
    assert refused.value.what.startswith(
        "step 1 prefix-tuning: prefix-tuning does not work with gradient_checkpointing"
    )
    assert "rows.jsonl" not in f"{refused.value.why}{refused.value.hint}"
