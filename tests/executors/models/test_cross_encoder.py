"""Cross-encoders: a tiny real one, trained in place to look for a word."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from executors.models.cross_encoder import find_cross_encoder, load_cross_encoder
from tests.executors.cross_encoder import WORDS, write_cross_encoder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny cross-encoder."""
    folder = tmp_path_factory.mktemp("cross-encoder")
    write_cross_encoder(folder)
    return folder


def test_scores_tell_which_text_answers(encoder: Path) -> None:
    """Each text has one score between 0 and 1 in its place, and what was learned decides; texts may be too long."""
    told = load_cross_encoder(str(encoder)).scores("who is the mayor", ["the tower was old", "the mayor was old " * 40])
    assert 0 <= told[0] < 0.5 < told[1] <= 1


def test_a_question_longer_than_the_model_reads_is_cut(encoder: Path) -> None:
    """A question of more tokens than a pair may have is scored, too."""
    told = load_cross_encoder(str(encoder)).scores("who is the tower " * 40, ["the tower was old", "the mayor was old"])
    assert told[0] < 0.5 < told[1]


def test_more_texts_than_a_batch(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores do not depend on which texts are read together."""
    loaded = load_cross_encoder(str(encoder))
    texts = [f"the {word}" for word in WORDS]
    whole = loaded.scores("who is the mayor", texts)
    monkeypatch.setattr("executors.models.cross_encoder.BATCH", 4)
    assert loaded.scores("who is the mayor", texts) == pytest.approx(whole, abs=1e-2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_labels": 3, "id2label": {"0": "a", "1": "b", "2": "c"}}, "3 labels"),
        ({"architectures": ["BertModel"]}, "it is BertModel"),
        ({"architectures": 7}, "no description of a model"),
    ],
)
def test_other_models_are_refused(encoder: Path, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    """A model that gives other than one score for a pair is named before any weight is read."""
    folder = shutil.copytree(encoder, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(AdvisorError, match=said):
        find_cross_encoder(str(folder))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """Where nothing is, the message says what to give."""
    with pytest.raises(AdvisorError, match="no cross-encoder at"):
        find_cross_encoder(str(tmp_path / "none"))
