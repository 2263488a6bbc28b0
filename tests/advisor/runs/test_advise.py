"""From answers to advice: what is checked before anything is decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from advisor.domain.answers import Answers
from advisor.domain.errors import AdvisorError
from advisor.runs.advise import Overrides, advise


@pytest.mark.parametrize("key", ["then", "general", "documents"])
def test_further_data_that_is_not_there_is_refused(key: str, tmp_path: Path) -> None:
    """A path beside the main data that does not exist is named with its key, whether a step would read it or not."""
    place = str(tmp_path / "nothing")
    data: dict[str, Any] = {"path": "builtin:stdlib", key: place if key == "documents" else {"path": place}}
    model = {"id": "builtin:smollm2-135m-instruct"}
    answers = Answers.model_validate({"goal": "change-behavior", "model": model, "data": data, "use": ["lora"]})
    with pytest.raises(AdvisorError, match=f"data.{key}.*there is no data at {place}"):
        advise(answers, Overrides(no_gpu=True, ram_gib=16))
    (tmp_path / "nothing").mkdir()
    assert advise(answers, Overrides(no_gpu=True, ram_gib=16)).recommendation.feasible
