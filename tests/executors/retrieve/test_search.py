"""Ranked lists merged, read again, and freshened; steps that build on an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from advisor.domain.errors import AdvisorError
from executors import retrieve
from executors.models.embedding import Embedder
from executors.protocol import Inputs, Machine
from executors.retrieve.fresh import freshened
from executors.retrieve.fuse import fuse
from executors.retrieve.rerank import cross_encoded
from tests.executors.cross_encoder import write_cross_encoder

Make = Callable[..., Path]


def test_merged_lists_reward_agreement() -> None:
    """A row that both lists rank well stands before the first of either; scores do not count, ranks do."""
    merged = fuse([[(1, 900.0), (2, 5.0)], [(3, 0.2), (2, 0.1)]])
    assert [row for row, _ in merged] == [2, 1, 3]
    assert [row for row, _ in fuse([[(1, 0.0)], [(2, 0.0)]], weights=[1.0, 2.0])] == [2, 1]


def test_newer_passages_stand_first() -> None:
    """Equal scores are sorted by date; a far better passage stays first however old it is."""
    dates = ["2020-01-01", "2024-01-01"]
    assert freshened([(1, 1.0), (2, 1.0)], dates, 365, "2024-01-01")[0][0] == 2
    assert freshened([(1, 3.0), (2, 1.0)], dates, 365, "2024-01-01")[0][0] == 1
    assert freshened([(1, 1.0)], [""], 365, "") == [(1, 0.75)]


def test_a_step_builds_on_the_index_before_it(towns: Path, make_index: Make, monkeypatch: object) -> None:
    """What a step is not told is as before, and nothing is embedded again."""
    first = make_index(towns, "first", search={"by": "keyword", "k": 2})
    embedded: list[int] = []
    monkeypatch.setattr(Embedder, "documents", lambda self, texts: embedded.append(len(texts)))  # type: ignore[attr-defined]
    second = retrieve.open_index(make_index(towns, "second", index=first, search={"rerank": "late-interaction"}))
    assert second.about.search == retrieve.Search(by="keyword", k=2, rerank="late-interaction")
    assert second.about.chunking.size == 48
    assert embedded == []


def test_reading_again_keeps_the_candidates(towns: Path, make_index: Make) -> None:
    """Late interaction changes the order and never what is in the list."""
    index = retrieve.open_index(make_index(towns))
    question = "In Corvin live 5600 people."
    for by in ("dense", "keyword", "hybrid"):
        plain = index.candidates(question, retrieve.Search(by=by))
        again = index.candidates(question, retrieve.Search(by=by, rerank="late-interaction"))
        assert {row for row, _ in plain} == {row for row, _ in again}


def test_dates_decide_between_equals(tmp_path: Path, make_index: Make) -> None:
    """Of two documents that say the same, the newer by the date in its name is found first."""
    folder = tmp_path / "news"
    folder.mkdir()
    for year in (2019, 2023):
        (folder / f"{year}-05-01-mayor.md").write_text(f"The mayor of the town is person {year}.")
    index = retrieve.open_index(make_index(folder, search={"by": "keyword", "half_life_days": 30}))
    assert index.search("Who is the mayor of the town?")[0].date == "2023-05-01"


def test_a_cross_encoder_decides_the_order() -> None:
    """Its scores replace those of the search; what it did not read stays behind, in its order."""

    class Longest:
        def scores(self, question: str, texts: Sequence[str]) -> list[float]:
            return [len(text) / 10 for text in texts]

    found = cross_encoded(Longest(), "?", ["a", "abc", "ab"], [(7, 9.0), (8, 8.0), (9, 7.0), (5, 6.0), (4, 5.0)])  # type: ignore[arg-type]
    assert [row for row, _ in found] == [8, 9, 7, 5, 4]
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_a_reranker_is_named_with_its_kind() -> None:
    """`cross-encoder` without a folder, or a folder that nothing would read, is refused."""
    for told in ({"rerank": "cross-encoder"}, {"reranker": "folder"}):
        with pytest.raises(ValidationError, match="go together"):
            retrieve.Search.model_validate(told)


def test_an_index_carries_its_reranker(tmp_path: Path, make_index: Make) -> None:
    """A cross-encoder named in the settings sorts what a search found, from wherever the index is opened; a step that
    asks for another kind of reading again drops it."""
    write_cross_encoder(tmp_path / "encoder")
    folder = tmp_path / "notes"
    folder.mkdir()
    for name, text in (("a", "who built the tower"), ("b", "the mayor was old in the tower")):
        (folder / f"{name}.md").write_text(text)
    told = {"by": "keyword", "rerank": "cross-encoder", "reranker": str(tmp_path / "encoder")}
    first = make_index(folder, "first", search=told)
    assert retrieve.open_index(first).search("who built the tower")[0].source == "b.md"
    second = retrieve.open_index(make_index(folder, "second", index=first, search={"rerank": "none"}))
    assert second.about.search == retrieve.Search(by="keyword")
    assert second.search("who built the tower")[0].source == "a.md"


def test_an_index_is_not_searched_with_another_reranker(tmp_path: Path, make_index: Make) -> None:
    """Other weights in the folder of its cross-encoder are refused, until the index is made again with them."""
    encoder, folder = tmp_path / "encoder", tmp_path / "notes"
    write_cross_encoder(encoder)
    folder.mkdir()
    for name, text in (("a", "who built the tower"), ("b", "the mayor was old in the tower")):
        (folder / f"{name}.md").write_text(text)
    told = {"by": "keyword", "rerank": "cross-encoder", "reranker": str(encoder)}
    first = make_index(folder, "first", search=told)
    about = retrieve.open_index(first).about
    weights = {name: tensor.clone() for name, tensor in load_file(encoder / "model.safetensors").items()}
    weights["classifier.bias"] += 1
    save_file(weights, encoder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AdvisorError, match="is not the cross-encoder that"):
        retrieve.open_index(first).search("who built the tower")
    plain = about.search.model_copy(update={"rerank": "none", "reranker": None})
    assert retrieve.open_index(first).search("who built the tower", settings=plain)[0].source == "a.md"
    second = retrieve.open_index(make_index(folder, "second", index=first))
    assert second.about.reranker_sha256 not in (None, about.reranker_sha256)
    assert second.search("who built the tower")[0].source == "b.md"


def test_a_missing_reranker_is_refused_before_the_run(towns: Path, tmp_path: Path) -> None:
    """What is not there is told before documents are read."""
    told = {"data": {"path": str(towns), "kind": "documents"}}
    search = {"rerank": "cross-encoder", "reranker": str(tmp_path / "none")}
    config = retrieve.Config.model_validate({**told, "search": search})
    (found,) = retrieve.preflight(config, Inputs(roles={}), Machine())
    assert "no cross-encoder at" in found.text
