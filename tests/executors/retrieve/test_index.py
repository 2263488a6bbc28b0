"""Indexes: built, searched, resumed, updated, refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from advisor.domain.errors import AdvisorError
from executors import retrieve
from executors.protocol import Input, Inputs, Machine, Stopped
from executors.retrieve import build as building
from tests.executors.retrieve.conftest import TOWNS

Make = Callable[..., Path]


def test_what_is_asked_for_is_found(towns: Path, make_index: Make) -> None:
    """Keyword search finds the passage with the words, with its heading, source and date."""
    index = retrieve.open_index(make_index(towns, search={"by": "keyword"}))
    found = index.search("When was the bridge of Corvin built?")
    assert found[0].source == "corvin.md"
    assert found[0].heading == "Corvin > Bridge"
    assert found[0].number == 1
    assert found[0].date
    assert index.about.documents == len(TOWNS)


def test_dense_search_returns_the_text_itself(towns: Path, make_index: Make) -> None:
    """The passage nearest to a passage's own text is that passage, whatever the model."""
    index = retrieve.open_index(make_index(towns))
    for passage in index.search("anything", k=12):
        vector = index.embedder.documents([passage.whole])[0]
        assert index.dense(vector, 1)[0][0] == passage.row


def test_a_stopped_build_goes_on(
    towns: Path, make_index: Make, monkeypatch: pytest.MonkeyPatch, stopping_listener: Any
) -> None:
    """Stopped after any save, the next attempt ends with the vectors of an unbroken build, bit for bit."""
    monkeypatch.setattr(building, "BLOCK", 3)
    whole = make_index(towns, "whole")
    for after in (1, 2, 3, 4, 5):
        stopping_listener.positions.clear()
        stopping_listener.stop_after = after
        with pytest.raises(Stopped):
            make_index(towns, "parts", say=stopping_listener)
    resumed = make_index(towns, "parts")
    assert (resumed / "vectors.f32").read_bytes() == (whole / "vectors.f32").read_bytes()
    assert (resumed / "bm25-weights.npy").read_bytes() == (whole / "bm25-weights.npy").read_bytes()


def test_a_torn_block_is_written_again(towns: Path, make_index: Make, tmp_path: Path, stopping_listener: Any) -> None:
    """Vectors that were written but not counted when the process died are cut off and made again."""
    whole = make_index(towns, "whole")
    stopping_listener.stop_after = 3
    with pytest.raises(Stopped):
        make_index(towns, "torn", say=stopping_listener)
    with (tmp_path / "torn-scratch/index/vectors.f32").open("ab") as file:
        file.write(b"\xff" * 100)
    assert (make_index(towns, "torn") / "vectors.f32").read_bytes() == (whole / "vectors.f32").read_bytes()


def test_an_update_embeds_only_what_is_new(
    towns: Path, make_index: Make, embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an earlier index unchanged passages are taken over, changed documents are read again, removed ones go."""
    from executors.models.embedding import Embedder

    first = make_index(towns, "first")
    (towns / "aldorf.md").write_text("# Aldorf\n\nNobody lives in Aldorf any more.\n")
    (towns / "bexley.md").unlink()
    embedded: list[str] = []
    known = Embedder.documents

    def counted(self: Any, texts: Any, *more: Any) -> Any:
        embedded.extend(texts)
        return known(self, texts, *more)

    monkeypatch.setattr(Embedder, "documents", counted)
    index = retrieve.open_index(make_index(towns, "second", update=str(first)))
    assert embedded == ["Aldorf\nNobody lives in Aldorf any more."]
    assert set(index.store.sources()) == {f"{name.lower()}.md" for name in TOWNS} - {"bexley.md"}
    fresh = retrieve.open_index(make_index(towns, "fresh"))
    assert numpy.allclose(index.vectors, fresh.vectors, atol=1e-2)


def test_what_is_left_out_is_told(towns: Path, make_index: Make, listener: Any) -> None:
    """Skipped files are in a diagnostic and in the index, each with its reason."""
    (towns / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    index = retrieve.open_index(make_index(towns))
    assert [code for _, code, _ in listener.diagnostics] == ["documents-skipped"]
    assert [skipped.source for skipped in index.store.skipped()] == ["broken.pdf"]


def test_a_damaged_index_is_refused(towns: Path, make_index: Make) -> None:
    """One flipped byte anywhere, and nothing is searched."""
    folder = make_index(towns)
    data = bytearray((folder / "vectors.f32").read_bytes())
    data[7] ^= 1
    (folder / "vectors.f32").write_bytes(data)
    with pytest.raises(AdvisorError, match="not a whole index"):
        retrieve.open_index(folder)


def test_another_embedding_model_is_refused(towns: Path, make_index: Make, embedder: Path, tmp_path: Path) -> None:
    """An index is never searched with other weights than it was made with."""
    import shutil

    other = tmp_path / "other"
    shutil.copytree(embedder, other)
    index = retrieve.open_index(make_index(towns, embedder=str(other)))
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    with pytest.raises(AdvisorError, match="another SHA-256"):
        index.search("x")


def test_preflight_names_what_is_missing(tmp_path: Path, embedder: Path) -> None:
    """No documents, no embedding model: said before anything is loaded."""

    def codes(path: Path, model: Path) -> list[str]:
        told = {"data": {"path": str(path), "kind": "documents"}, "embedder": str(model)}
        inputs = Inputs(roles={"model": Input(kind="causal-lm", path="x")})
        return [d.code for d in retrieve.preflight(retrieve.Config.model_validate(told), inputs, Machine())]

    assert codes(tmp_path, embedder) == []
    assert codes(tmp_path / "none", embedder) == ["retrieval"]
    assert codes(tmp_path, tmp_path) == ["retrieval"]


def test_nothing_to_read_is_an_error(tmp_path: Path, make_index: Make) -> None:
    """A folder without one readable document is refused with the first reason."""
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "x.bin").write_bytes(b"\0")
    with pytest.raises(AdvisorError, match="no document that can be read"):
        make_index(folder)
