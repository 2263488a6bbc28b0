"""Runs one retrieval step: reads the documents, cuts, embeds and stores them, and writes the index."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from advisor.domain.errors import AdvisorError, Severity
from executors.artifact import publish, temporary, verify, write_durably, write_manifest
from executors.documents.questions import load_questions
from executors.models.cross_encoder import find_cross_encoder
from executors.models.embedding import BUILTIN, load_embedder
from executors.models.encoder import weights_hash
from executors.protocol import Inputs, Say
from executors.retrieve.build import Build, Earlier, skipped_lines
from executors.retrieve.chunk_search import choose_chunking
from executors.retrieve.chunks import Chunking
from executors.retrieve.config import Config
from executors.retrieve.finder import write_worked
from executors.retrieve.index import Index, open_index
from executors.retrieve.server import Collection
from executors.retrieve.settings import EMBEDDER, FILE, IndexFile, Search
from executors.retrieve.store import ChunkStore
from executors.retrieve.tune import Tuning, pairs_of, save_embedder, tune
from executors.retrieve.weigh import choose_share, split

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
    with _earlier(config, inputs) as before:
        _write(config, inputs, before, out, say)


def _write(config: Config, inputs: Inputs, before: Index | None, out: Path, say: Say) -> None:
    """Build and write the index. What the step is not told is as in the index it starts from."""
    path, chunking, search = _settings(config, before)
    if config.tune is not None:
        path = str(_tuned(config.tune, config, chunking, path, inputs, say))
    is_own = config.tune is not None or (before is not None and path == str(before.folder / EMBEDDER))
    embedder = load_embedder(path, config.precision)
    if config.choose_chunks is not None:
        asked = load_questions(config.data, is_held_out=False)
        chunking = choose_chunking(config.choose_chunks, config.data.path, embedder, asked, say)
    if chunking.size > embedder.room:
        raise AdvisorError(
            f"chunking.size is {chunking.size}", why=f"the embedding model reads {embedder.room} tokens of a passage"
        )
    sha256 = weights_hash(embedder.folder)
    # Vectors are taken over from a file, not out of a server.
    is_usable = before is not None and before.about.embedder_sha256 == sha256 and before.about.store is None
    earlier = Earlier(before.store, before.vectors, before.about.chunking == chunking) if before and is_usable else None
    build = Build(Path(inputs.scratch) / "index", embedder, chunking, sha256, say)
    store = build.run(config.data.path, earlier)
    _tell(store, say)
    about = IndexFile(
        embedder=EMBEDDER if is_own else path if path == BUILTIN else str(embedder.folder.absolute()),
        embedder_sha256=sha256,
        dimension=embedder.dimension,
        chunks=store.count("chunks"),
        documents=store.count("documents"),
        chunking=chunking,
        search=search,
        reranker_sha256=weights_hash(find_cross_encoder(search.reranker)) if search.reranker is not None else None,
        store=config.store,
    )
    build.finish(out, Collection(config.store) if config.store is not None else None)
    if is_own:
        shutil.copytree(embedder.folder, out / EMBEDDER)
    about = _weighed(config, Index(out, about), say)
    write_durably(out / FILE, about.model_dump_json(by_alias=True, indent=2).encode() + b"\n")
    write_worked(Index(out, about), load_questions(config.data, is_held_out=False), out)


def _weighed(config: Config, index: Index, say: Say) -> IndexFile:
    """What is written about the index, with the share of its two searches where it has both and none was told."""
    search = index.about.search
    if search.by != "hybrid" or (config.search is not None and config.search.dense_share is not None):
        return index.about
    share = choose_share(index, split(load_questions(config.data, is_held_out=False))[1], say)
    return index.about.model_copy(update={"search": search.model_copy(update={"dense_share": share})})


def _settings(config: Config, before: Index | None) -> tuple[str, Chunking, Search]:
    """Embedding model, cutting and search: as told, else as in the index before, else the defaults."""
    told = config.search.model_dump(exclude_unset=True) if config.search is not None else {}
    if told.get("reranker") is not None:
        # What is written into the index holds wherever it is searched from.
        told["reranker"] = str(find_cross_encoder(told["reranker"]).absolute())
    elif "rerank" in told:
        told["reranker"] = None
    if before is None:
        return config.embedder or BUILTIN, config.chunking or Chunking(), Search(**told)
    about = before.about
    search = Search(**{**about.search.model_dump(), **told})
    path = str(before.folder / EMBEDDER) if about.embedder == EMBEDDER else about.embedder
    return config.embedder or path, config.chunking or about.chunking, search


def _tuned(tuning: Tuning, config: Config, chunking: Chunking, path: str, inputs: Inputs, say: Say) -> Path:
    """Folder of the embedding model at `path`, fine-tuned on the documents' training questions; made once."""
    target = Path(inputs.scratch) / EMBEDDER
    if verify(target).is_whole:
        return target
    embedder = load_embedder(path, "fp32")
    scratch = Path(inputs.scratch) / "pairs"
    store = Build(scratch, embedder, chunking, "pairs", say).read(config.data.path)
    pairs = pairs_of(split(load_questions(config.data, is_held_out=False))[0], store, tuning, scratch)
    say.log(f"{len(pairs)} pairs of question and passage")
    tune(embedder, pairs, tuning, inputs.seed, say)
    folder = temporary(target)
    save_embedder(embedder, folder)
    write_manifest(folder)
    publish(folder, target)
    return target


@contextlib.contextmanager
def _earlier(config: Config, inputs: Inputs) -> Iterator[Index | None]:
    """The index of the step before, or the one the configuration names: unchanged parts are taken from it."""
    path = inputs.path("index") if "index" in inputs.roles else config.update
    index = open_index(Path(path).expanduser()) if path is not None else None
    try:
        yield index
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
