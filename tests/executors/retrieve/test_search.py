"""Ranked lists merged, read again, and freshened; steps that build on an index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from executors import retrieve
from executors.models.embedding import Embedder
from executors.retrieve.fresh import freshened
from executors.retrieve.fuse import fuse

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
