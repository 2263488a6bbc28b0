"""Answers: what a person may say, and what is refused."""

from __future__ import annotations

from datetime import datetime

import pytest
import yaml
from pydantic import ValidationError

from advisor.domain.answers import Answers


@pytest.mark.parametrize("text", ["2023-13", "2023-13-45", "2023-02-30", "0000", "23-01"])
def test_a_cutoff_is_a_date(text: str) -> None:
    """A month or day that no calendar has is refused."""
    with pytest.raises(ValidationError):
        Answers.model_validate({"goal": "optimize", "data": {"cutoff": text}})


@pytest.mark.parametrize("text", ["2023", "2023-12", "2024-02-29"])
def test_years_months_and_days_are_cutoffs(text: str) -> None:
    """A year, a month of one, and a day stay as they were written."""
    assert Answers.model_validate({"goal": "optimize", "data": {"cutoff": text}}).data.cutoff == text


@pytest.mark.parametrize(("written", "text"), [("2025-06-30", "2025-06-30"), ("2025", "2025"), ("2025-06", "2025-06")])
def test_a_cutoff_needs_no_quotes(written: str, text: str) -> None:
    """A day or a year that YAML reads as a date or a number is the text that was written; a moment is refused."""
    values = yaml.safe_load(f"goal: optimize\ndata: {{cutoff: {written}}}")
    assert Answers.model_validate(values).data.cutoff == text
    with pytest.raises(ValidationError):
        Answers.model_validate({"goal": "optimize", "data": {"cutoff": datetime(2025, 6, 30, 12)}})


@pytest.mark.parametrize("place", ["node1:29500", "192.168.1.10:1024", "node-1.example.org:65535"])
def test_machines_meet_at_a_host_and_a_port(place: str) -> None:
    """A host name or an address with a port is a rendezvous; processes are those of all machines."""
    said = {"machines": 2, "rendezvous": place, "processes": 4}
    assert Answers.model_validate({"goal": "optimize", "train": said}).train.rendezvous == place


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ({"machines": 2}, "2 machines must meet"),
        ({"rendezvous": "node1:29500"}, "say how many in machines"),
        ({"machines": 1, "rendezvous": "node1:29500"}, "greater than or equal to 2"),
        ({"machines": 2, "rendezvous": "node1"}, "not HOST:PORT"),
        ({"machines": 2, "rendezvous": "node 1:29500"}, "not HOST:PORT"),
        ({"machines": 2, "rendezvous": "-x:29500"}, "not HOST:PORT"),
        ({"machines": 2, "rendezvous": "node1:port"}, "not HOST:PORT"),
        ({"machines": 2, "rendezvous": "node1:0"}, "there is no port 0"),
        ({"machines": 2, "rendezvous": "node1:65536"}, "there is no port 65536"),
        ({"machines": 2, "rendezvous": "node1:29500", "processes": 3}, "3 is none of 2"),
        ({"machines": 2, "rendezvous": "node1:29500", "processes": 1}, "1 is none of 2"),
    ],
)
def test_machines_that_could_not_meet_are_refused(train: dict[str, object], told: str) -> None:
    """A meeting place that is missing, needless or no place, and processes that do not spread evenly, are refused."""
    with pytest.raises(ValidationError, match=told):
        Answers.model_validate({"goal": "optimize", "train": train})
