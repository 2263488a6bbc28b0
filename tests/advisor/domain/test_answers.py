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
