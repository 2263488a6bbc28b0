"""Retrieval: documents into an index, questions into passages, passages into a prompt with citations.

    index = open_index(folder)                       # the artifact of a retrieval step
    passages = index.search("What does json.dumps do?")
    messages = with_passages(question, passages)     # for the model; passages are marked as data
    attributed(answer, passages)                     # the passages an answer cites, or rests on

As an executor it produces the kind `index`. It trains no language model and judges no answer; `evaluate` does.
"""

from executors.retrieve.config import REQUIRES, Config, preflight
from executors.retrieve.finder import IndexFinder
from executors.retrieve.index import Index, open_index
from executors.retrieve.passage import Passage
from executors.retrieve.prompt import attributed, cited, with_passages
from executors.retrieve.run import run
from executors.retrieve.settings import Search

__all__ = [
    "REQUIRES",
    "Config",
    "Index",
    "IndexFinder",
    "Passage",
    "Search",
    "attributed",
    "cited",
    "open_index",
    "preflight",
    "run",
    "with_passages",
]
