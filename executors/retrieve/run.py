"""Runs one retrieval step: reads the documents, cuts, embeds and stores them, and writes the index."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from advisor.domain.errors import AdvisorError, Severity
from executors.artifact import write_durably
from executors.documents.questions import load_questions
from executors.models.embedding import BUILTIN, embedder_hash, load_embedder
from executors.protocol import Inputs, Say
from executors.retrieve.build import Build, Earlier, skipped_lines
from executors.retrieve.chunks import Chunking
from executors.retrieve.config import Config
from executors.retrieve.finder import write_worked
from executors.retrieve.index import Index, open_index
from executors.retrieve.settings import FILE, IndexFile, Search
from executors.retrieve.store import ChunkStore

SHOWN = 8
"""Lines of what was skipped that are told; all of them are in the index."""


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write an index of `config.data` below `out`. Goes on where an interrupted attempt left off.

    Raises AdvisorError for documents or an embedding model that cannot be used, Stopped once a stop has been saved.
    """
    if not inputs.scratch:
        raise AdvisorError("a retrieval step needs a scratch folder for what is half done")
    if inputs.threads:
        import torch

        torch.set_num_threads(inputs.threads)
    path = config.embedder or BUILTIN
    embedder = load_embedder(path, config.precision)
    chunking = config.chunking or Chunking()
    if chunking.size > embedder.room:
        raise AdvisorError(
            f"chunking.size is {chunking.size}", why=f"the embedding model reads {embedder.room} tokens of a passage"
        )
    sha256 = embedder_hash(embedder.folder)
    build = Build(Path(inputs.scratch) / "index", embedder, chunking, sha256, say)
    with _earlier(config.update, sha256, chunking) as earlier:
        store = build.run(config.data.path, earlier)
    _tell(store, say)
    about = IndexFile(
        embedder=path if path == BUILTIN else str(embedder.folder.absolute()),
        embedder_sha256=sha256,
        dimension=embedder.dimension,
        chunks=store.count("chunks"),
        documents=store.count("documents"),
        chunking=chunking,
        search=config.search or Search(),
    )
    build.finish(out)
    write_durably(out / FILE, about.model_dump_json(by_alias=True, indent=2).encode() + b"\n")
    write_worked(Index(out, about), load_questions(config.data, is_held_out=False), out)


@contextlib.contextmanager
def _earlier(path: str | None, sha256: str, chunking: Chunking) -> Iterator[Earlier | None]:
    """The index to take unchanged parts from; none when it was made with another embedding model."""
    index: Index | None = open_index(Path(path).expanduser()) if path is not None else None
    try:
        is_usable = index is not None and index.about.embedder_sha256 == sha256
        yield Earlier(index.store, index.vectors, index.about.chunking == chunking) if index and is_usable else None
    finally:
        if index is not None:
            index.close()


def _tell(store: ChunkStore, say: Say) -> None:
    """The size of the index, and what was left out with its reason."""
    say.log(f"{store.count('documents')} documents, {store.count('chunks')} passages")
    found = store.skipped()
    if found:
        lines = list(skipped_lines(store, SHOWN))
        text = f"{len(found)} documents or parts of documents were left out"
        say.diagnostic(Severity.WARNING, "documents-skipped", text, "; ".join(lines))
