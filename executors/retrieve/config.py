"""What a retrieval step may be told, and what can be said against it before it starts. Loads no torch."""

from __future__ import annotations

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.plan import DataSpec
from executors.models.device import Precision
from executors.protocol import Inputs, Machine
from executors.retrieve.chunk_search import ChunkSearch
from executors.retrieve.chunks import Chunking
from executors.retrieve.server import Collection, Server
from executors.retrieve.settings import Search
from executors.retrieve.tune import Tuning

REQUIRES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "pypdf")


class Config(Frozen):
    """Settings of one retrieval step. What is None is taken over from the index it starts from."""

    data: DataSpec
    embedder: str | None = None
    """`builtin:all-minilm-l6-v2`, or a local folder as sentence-transformers saves it."""
    chunking: Chunking | None = None
    search: Search | None = None
    update: str | None = Field(default=None)
    """Folder of an earlier index: what has not changed since is taken from it."""
    choose_chunks: ChunkSearch | None = None
    """Choose size and overlap by trying them on questions."""
    tune: Tuning | None = None
    """Fine-tune the embedding model on the documents first."""
    store: Server | None = None
    """A Qdrant server that keeps the vectors, and a name for a new collection; None: a file of the index."""
    precision: Precision = "auto"


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """Documents that are not there, an embedding model or a reranker that is missing, a server that does not answer."""
    from executors.documents import list_sources
    from executors.models.cross_encoder import find_cross_encoder
    from executors.models.embedding import BUILTIN, find_embedder

    try:
        if config.search is not None and config.search.reranker is not None:
            find_cross_encoder(config.search.reranker)
        next(iter(list_sources(config.data.path)), None)
        if config.store is not None:
            Collection(config.store).points()
        if config.embedder is not None or "index" not in inputs.roles:
            find_embedder(config.embedder or BUILTIN)
    except AdvisorError as error:
        text, because, hint = error.what, error.why, error.hint
        return [Diagnostic(severity=Severity.DANGER, code="retrieval", text=text, because=because, hint=hint)]
    return []
