"""`IndexFinder`: an index as what puts passages before a question, with worked examples of how to answer from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from executors.artifact import write_durably
from executors.datasets.rows import Message
from executors.documents.questions import Question
from executors.retrieve.agent import Decide, Trail, look_up, passages_of
from executors.retrieve.index import Index
from executors.retrieve.passage import Passage, numbered
from executors.retrieve.prompt import turn_of
from executors.retrieve.rewrite import Write, rewritten

FILE = "worked.json"
EXAMPLES = 2
LONGEST = 1200
"""Characters of a worked example: it stands before every question."""
TOGETHER = 8
"""Questions that are decided on in one batch."""
LOOKED_AT = 200
"""Questions among which short examples are looked for."""


class IndexFinder:
    """Finds passages for questions. What was found last for each question is kept in `found`."""

    def __init__(self, index: Index, k: int | None = None) -> None:
        self.index = index
        self.k = k or index.about.search.k
        self.found: dict[str, list[Passage]] = {}
        self.decide: Decide | None = None
        """Has the model decide, for an index whose questions it may look up further; None: no model is at hand."""
        self.trails: dict[str, Trail] = {}
        """What the model decided for each question."""
        self.worked: tuple[Message, ...] = read_worked(index.folder)

    def search_for(
        self,
        questions: Sequence[str],
        k: int,
        after: Callable[[int], None] = lambda done: None,
        write: Write | None = None,
    ) -> None:
        """Find `k` passages for each question now; `turn` shows the first of them. `after`: how many are done.

        `write`: has the model write, for an index that rewrites questions.
        """
        search = self.index.about.search
        others = rewritten(search.rewrite if write is not None else "none", questions, write or list)
        if search.agent_steps and self.decide is not None:
            self._decided(questions, others, k, after)
            return
        for number, (question, also) in enumerate(zip(questions, others, strict=True), start=1):
            self.found[question] = self.index.search(question, k=k, also=also)
            after(number)

    def _decided(
        self, questions: Sequence[str], others: Sequence[Sequence[str]], k: int, after: Callable[[int], None]
    ) -> None:
        assert self.decide is not None
        for first in range(0, len(questions), TOGETHER):
            part = slice(first, first + TOGETHER)
            for trail in look_up(self.index, questions[part], self.decide, others[part]):
                self.trails[trail.question] = trail
                self.found[trail.question] = passages_of(self.index, trail, k, shown=self.k)
            after(min(first + TOGETHER, len(questions)))

    def turn(self, question: str) -> str:
        """The user's turn: passages as data, then the question."""
        if question not in self.found:
            self.search_for([question], self.k)
        return turn_of(question, self.found[question][: self.k])


def write_worked(index: Index, questions: Sequence[Question], folder: Path) -> None:
    """Choose worked examples, one of each kind of question, and write them into `folder`."""
    turns: list[dict[str, str]] = []
    kinds: set[str] = set()
    for question in questions[:LOOKED_AT]:
        if question.kind in kinds or len(kinds) == EXAMPLES:
            continue
        example = _example(index, question, is_first=bool(kinds))
        if example is not None and sum(map(len, example)) <= LONGEST:
            kinds.add(question.kind)
            turns += [{"role": "user", "content": example[0]}, {"role": "assistant", "content": example[1]}]
    write_durably(folder / FILE, json.dumps(turns, ensure_ascii=False, indent=1).encode() + b"\n")


def read_worked(folder: Path) -> tuple[Message, ...]:
    """The worked examples of an index as turns; none where it has none."""
    path = folder / FILE
    if not path.is_file():
        return ()
    return tuple(Message(turn["role"], turn["content"]) for turn in json.loads(path.read_bytes()))


def _example(index: Index, question: Question, is_first: bool) -> tuple[str, str] | None:
    """The user's turn and the answer: the passage that answers the question, and another that was found.

    Found by words: a small model's answers hang on its example, which should not change with the embeddings.
    """
    by_words = index.about.search.model_copy(update={"by": "keyword", "rerank": "none"})
    found = index.search(question.text, k=6, settings=by_words)
    right = next((p for p in found if question.is_in(p.whole)), None)
    wrong = next((p for p in found if not question.is_in(p.whole)), None)
    if right is None or wrong is None:
        return None
    pair = [right, wrong] if is_first else [wrong, right]
    passages = numbered(index.store.get([p.row for p in pair]), [p.score for p in pair])
    number = 1 + pair.index(right)
    answer = next(a for a in question.answers if a in right.whole) if _holds(question, right) else question.answers[0]
    return turn_of(question.text, passages), f"{answer} [{number}]"


def _holds(question: Question, passage: Passage) -> bool:
    return any(answer in passage.whole for answer in question.answers)
