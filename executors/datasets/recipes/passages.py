"""Questions with the passages to answer them from: RAG-aware training and RAFT.

Zhang et al. 2024, RAFT: Adapting Language Model to Domain Specific RAG, section 3: each question with the document that
answers it ("oracle") among distractors; a share of the examples without the oracle; the answer says which it is from.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from advisor.domain.errors import AdvisorError
from advisor.domain.plan import Recipe
from executors.datasets.recipes.lexical import Index, chunked
from executors.datasets.rows import Conversation, Message, Preference, Row, Text, ask, hashed

ASK = "Answer from the passages."
GAP = "____"
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def with_passages(
    recipe: Recipe, rows: Sequence[Row], is_held_out: bool, passages: Callable[[], Sequence[str]]
) -> list[Row]:
    """Each question with its passage, for `raft` among distractors. Texts become questions for a missing word.

    Raises AdvisorError when no question has a passage and none can be found.
    """
    rows = [row for row in rows if not isinstance(row, Preference)]
    texts = [row.text for row in rows if isinstance(row, Text)]
    own = [passage for row in rows if isinstance(row, Conversation) for passage in row.passages]
    collection = texts + own or list(passages())
    index = Index([piece for text in collection for piece in chunked(text, recipe.passage_characters)])
    asked = _asked(rows, index, recipe)
    made: list[Row] = []
    for row in asked:
        oracle = _oracle(row, index, recipe)
        if oracle is not None:
            made.append(_composed(row, oracle, index, recipe, is_held_out))
    if not made:
        raise AdvisorError(
            "no question has a passage that answers it",
            why=f"{len(rows)} rows bring none, and none of {len(index.passages)} passages shares a word with them",
            hint="add a 'context' to each row, or set data.documents to where the passages stand",
        )
    return made


def folded(row: Conversation) -> Conversation:
    """The row with its own passages before the last question, as it is learnt without a recipe."""
    return _with_prompt(row, _listed(row.passages), row.messages[-1].content)


def _asked(rows: Sequence[Row], index: Index, recipe: Recipe) -> list[Conversation]:
    """The conversations, and for each text one question for a word that its passages have and others have not."""
    asked = [row for row in rows if isinstance(row, Conversation)]
    for row in rows:
        if isinstance(row, Text):
            chunk = chunked(row.text, recipe.passage_characters)[0]
            sentence = max(_SENTENCE.split(chunk), key=len)
            word = index.rarest(sentence)
            if word:
                gap = sentence.replace(word, GAP, 1)
                row_asked = ask(f"Which word is missing? {gap}", word)
                asked.append(Conversation(row_asked.messages, passages=(chunk,)))
    return asked


def _oracle(row: Conversation, index: Index, recipe: Recipe) -> str | None:
    """The piece of its own passages, or of all, that fits question and answer best."""
    text = f"{row.key} {row.messages[-1].content}"
    if row.passages:
        pieces = [piece for passage in row.passages for piece in chunked(passage, recipe.passage_characters)]
        best = Index(pieces).ranked(text, 1)
        return pieces[best[0]] if best else pieces[0]
    found = index.ranked(text, 1)
    return index.passages[found[0]] if found else None


def _composed(row: Conversation, oracle: str, index: Index, recipe: Recipe, is_held_out: bool) -> Conversation:
    answer = row.messages[-1].content
    if recipe.name == "rag-aware":
        return _with_prompt(row, _listed((oracle,)), answer)
    randomness = random.Random(hashed(f"raft:{row.key}"))
    lacks = not is_held_out and randomness.random() < recipe.without_oracle
    near = [index.passages[n] for n in index.ranked(row.key, recipe.distractors + 4)]
    others = [passage for passage in near if passage != oracle]
    while len(others) < recipe.distractors + lacks and len(index.passages) > recipe.distractors + 1:
        other = randomness.choice(index.passages)
        if other != oracle and other not in others:
            others.append(other)
    chosen = others[: recipe.distractors + lacks]
    place = randomness.randrange(len(chosen) + 1)
    if not lacks:
        chosen.insert(place, oracle)
        answer = f"[{place + 1}] {answer}"
    return _with_prompt(row, _listed(chosen), answer)


def _listed(passages: Sequence[str]) -> str:
    return "\n\n".join(f"[{number}] {passage}" for number, passage in enumerate(passages, start=1))


def asked_from(passages: Sequence[str], asked: Message) -> Message:
    """The question below the passages from which it is to be answered."""
    return _below(_listed(passages), asked)


def _below(passages: str, asked: Message) -> Message:
    return Message(asked.role, f"{ASK}\n\n{passages}\n\nQuestion: {asked.content}")


def _with_prompt(row: Conversation, passages: str, answer: str) -> Conversation:
    *before, asked, _ = row.messages
    prompt = _below(passages, asked)
    return Conversation((*before, prompt, Message("assistant", answer)), row.tools)
