"""Questions that documents answer, made the same way every time, and how an answer is judged.

`builtin:stdlib` gives questions about signatures and, in other words, about names, split like its other data. For a
person's documents a file `questions.jsonl` beside them is taken (keys question, answer); without it sentences are asked
with a name or number left out. A question counts as found by a passage that holds its evidence, however documents were
cut.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from advisor.domain.errors import AdvisorError
from advisor.domain.plan import DataSpec
from executors.datasets.rows import hashed
from executors.datasets.stdlib_items import Item, items
from executors.documents import builtin
from executors.documents.document import Document
from executors.documents.paraphrase import in_other_words
from executors.documents.read import QUESTIONS, read_documents

LONGEST_ANSWER = 80
SUMMARY_KEY = 60
"""Characters of a summary by which a passage is known to hold it."""
MOST_GENERATED = 2000
PER_DOCUMENT = 40
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_TERM = re.compile(
    r"\b(?:\d[\d.,:/-]*\d|\d|[A-Za-z]+_[\w]+|[a-z]+[A-Z]\w+|[A-Z]{2,}\d*)(?![\w])|(?<=[a-z,] )[A-Z][a-z]{3,}\b"
)
_BLANK = "____"
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Question:
    """`answers`: any of them is right. `evidence`: a passage that holds all of these, and any answer, answers it."""

    text: str
    answers: tuple[str, ...]
    evidence: tuple[str, ...]
    kind: str = ""
    source: str = ""

    def is_answered(self, answer: str) -> bool:
        """Whether a right answer stands in `answer`; spaces and quotes do not matter."""
        said = squeezed(answer)
        return any(_stands_in(squeezed(right), said) for right in self.answers)

    def is_in(self, passage: str) -> bool:
        """Whether a passage answers it."""
        text = squeezed(passage)
        return all(squeezed(part) in text for part in self.evidence) and any(squeezed(a) in text for a in self.answers)


def load_questions(spec: DataSpec, is_held_out: bool = True) -> list[Question]:
    """Questions about the documents at `spec.path` on one side of the split, in an order that depends on them alone.

    Raises AdvisorError for a question file that cannot be used.
    """
    if spec.path == builtin.NAME:
        return _of_stdlib(is_held_out)
    root = Path(spec.path).expanduser()
    given = (root if root.is_dir() else root.parent) / QUESTIONS
    if given.is_file():
        found = _given(given)
    else:
        read = (document for document in read_documents(spec.path) if isinstance(document, Document))
        found = [question for document in read for question in blanks(document)]
    share = hashed_share(found)
    return sorted((q for q in found if (share[q.text] < spec.held_out) == is_held_out), key=_order)[:MOST_GENERATED]


def blanks(document: Document) -> list[Question]:
    """Sentences of a document with one name or number left out: it is the answer, and the sentence the evidence."""
    found: list[Question] = []
    for sentence in _SENTENCE.split(document.text):
        sentence = _SPACE.sub(" ", sentence).strip(" -*#|>")
        # The length first: in a line of a hundred megabytes every number would be counted through all of it.
        if not 40 <= len(sentence) <= 300:
            continue
        terms = [m for m in _TERM.finditer(sentence) if sentence.count(m.group()) == 1]
        if not terms:
            continue
        term = terms[hashed(sentence) % len(terms)]
        asked = sentence[: term.start()] + _BLANK + sentence[term.end() :]
        text = f"What stands in the blank in this sentence of “{document.title}”: {asked}"
        found.append(Question(text, (term.group(),), (sentence,), "blank", document.source))
    return sorted(found, key=_order)[:PER_DOCUMENT]


def squeezed(text: str) -> str:
    """A text without white space and quotes, to be compared."""
    return _SPACE.sub("", text).replace("`", "").replace('"', "'")


def hashed_share(found: list[Question]) -> dict[str, float]:
    """Text of a question -> its place in the split, from 0 to 1."""
    return {question.text: hashed(f"split:{question.text}") / 2**64 for question in found}


def _stands_in(right: str, said: str) -> bool:
    """As a whole: 5 does not stand in 15."""
    at = said.find(right)
    while at >= 0:
        before, after = said[at - 1 : at], said[at + len(right) : at + len(right) + 1]
        if not (before.isdigit() and right[0].isdigit()) and not (after.isdigit() and right[-1].isdigit()):
            return True
        at = said.find(right, at + 1)
    return False


def _given(file: Path) -> list[Question]:
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            answer = row["answer"]
            answers = (answer,) if isinstance(answer, str) else tuple(map(str, answer))
            evidence = row.get("evidence", ())
            evidence = (evidence,) if isinstance(evidence, str) else tuple(map(str, evidence))
            if not answers or not all(a.strip() for a in answers):
                raise ValueError("the answer is empty")
            found.append(Question(str(row["question"]), answers, evidence, "given", str(row.get("source", ""))))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise AdvisorError(
                f"{file}:{number}: not a question", why=str(error)[:200], hint='write {"question": ..., "answer": ...}'
            ) from None
    return found


def _of_stdlib(is_held_out: bool) -> list[Question]:
    names: defaultdict[str, list[str]] = defaultdict(list)
    for item in items():
        names[item.group].append(item.name)
    signatures = _of_items(_signature, is_held_out)
    named = _of_items(lambda item: _named(item, tuple(names[item.group])), is_held_out)
    return [question for pair in zip_longest(signatures, named) for question in pair if question is not None]


def _of_items(make: Callable[[Item], Question | None], is_held_out: bool) -> list[Question]:
    """The questions of one side; a held-out one that is asked in training too is left out."""
    sides: dict[bool, dict[str, Question]] = {True: {}, False: {}}
    for item in items():
        question = make(item)
        if question is not None:
            sides[item.is_held_out].setdefault(question.text, question)
    learnt = sides[False] if is_held_out else {}
    return sorted((q for text, q in sides[is_held_out].items() if text not in learnt), key=_order)


def _signature(item: Item) -> Question | None:
    inside = item.signature.partition("(")[2].rpartition(")")[0].removeprefix("self").strip(", /")
    if not inside or len(item.signature) > LONGEST_ANSWER:
        return None
    text = f"What is the signature of the Python {item.kind} `{item.name}`?"
    return Question(text, (item.signature,), (item.signature,), "signature", item.module)


def _named(item: Item, names: tuple[str, ...]) -> Question | None:
    summary = item.summary.split(". ")[0].rstrip(".")
    if len(summary) < 30 or len(summary) > 160 or item.name.rpartition(".")[2].lower() in summary.lower():
        return None
    text = f"Which Python {item.kind} does this: {in_other_words(summary)}?"
    return Question(text, names, (item.summary[:SUMMARY_KEY],), "name", item.module)


def _order(question: Question) -> int:
    return hashed(f"order:{question.text}")
