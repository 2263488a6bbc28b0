"""What recipes make of rows."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.plan import DataSpec, Recipe
from executors.datasets import load
from executors.datasets.recipes import cook
from executors.datasets.recipes.lexical import Index, chunked
from executors.datasets.rows import Conversation, Message, Parallel, Record, Row, Text, ask

PASSAGES = (
    "The heron is a tall grey bird. It eats fish.",
    "Granite is a hard rock. It forms deep below volcanoes.",
    "A clarinet has a single reed. It is made of wood.",
    "Yeast makes dough rise. It needs sugar and warmth.",
    "The Danube flows through Vienna. It ends in the Black Sea.",
)
QUESTIONS = [ask(f"What of the {w}?", f"Something about the {w}.") for w in ("heron", "granite", "clarinet", "Danube")]


def cooked(name: str, rows: list[Any], is_held_out: bool = False, **more: Any) -> list[Row]:
    recipe = Recipe.model_validate({"name": name, **more})
    return cook(recipe, rows, is_held_out, lambda: PASSAGES)


def prompt_of(row: Row) -> str:
    assert isinstance(row, Conversation)
    return row.messages[-2].content


def test_rag_aware_questions_come_with_the_passage_that_answers() -> None:
    """Each question is asked after the passage that shares its telling words, and its answer is kept."""
    words = ("heron", "Granite", "clarinet", "Danube")
    for row, asked, word in zip(cooked("rag-aware", QUESTIONS), QUESTIONS, words, strict=True):
        assert isinstance(row, Conversation)
        assert word in prompt_of(row) and "[2]" not in prompt_of(row)
        assert row.messages[-1] == asked.messages[-1]


def test_raft_hides_the_oracle_among_distractors() -> None:
    """Held-out questions have the oracle among three distractors, and the answer names its place."""
    rows = cooked("raft", QUESTIONS, is_held_out=True)
    places = set()
    for row, word in zip(rows, ("heron", "Granite", "clarinet", "Danube"), strict=True):
        assert isinstance(row, Conversation)
        passages = prompt_of(row).split("\n\n")[1:5]
        mark = row.messages[-1].content.split()[0]
        assert [word in passage for passage in passages].count(True) == 1
        assert next(p for p in passages if p.startswith(mark)).count(word) == 1
        places.add(mark)
    assert len(places) > 1


def test_raft_leaves_the_oracle_out_of_some() -> None:
    """About the wanted share of what is learnt lacks the oracle, and then answers without naming a passage."""
    rows = cooked(
        "raft", [ask(f"What of the heron number {n}?", "It eats fish.") for n in range(200)], without_oracle=0.3
    )
    lacking = [row for row in rows if not row.messages[-1].content.startswith("[")]  # type: ignore[union-attr]
    assert 0.2 < len(lacking) / 200 < 0.4
    assert not any("heron is a tall" in prompt_of(row) for row in lacking)


def test_a_questions_own_passages_come_first() -> None:
    """Passages that come with a row are used instead of the collection."""
    row = Conversation(QUESTIONS[0].messages, passages=("The heron nests in colonies.",))
    assert "nests in colonies" in prompt_of(cooked("rag-aware", [row])[0])
    assert "nests in colonies" in prompt_of(cook(None, [row], False, list)[0])
    assert cooked("closed-book", [row]) == [QUESTIONS[0]]


def test_texts_become_questions_for_a_word() -> None:
    """From documents alone questions are made that only their passage answers."""
    (row, *_) = cooked("rag-aware", [Text(PASSAGES[0]), Text(PASSAGES[1])], is_held_out=True)
    answer = row.messages[-1].content  # type: ignore[union-attr]
    question = prompt_of(row).rpartition("Question:")[2]
    assert "____" in question and answer not in question and answer in prompt_of(row)


def test_no_passage_is_an_error() -> None:
    """Questions for which no passage can be found are refused, with what to add."""
    with pytest.raises(AdvisorError, match="no question has a passage") as caught:
        cook(Recipe(name="raft"), QUESTIONS, False, list)
    assert "data.documents" in caught.value.hint


def test_time_stands_in_the_data() -> None:
    """Texts begin with their own date or the given one; conversations with the cutoff."""
    system = Conversation((Message("system", "Be brief."), *QUESTIONS[0].messages))
    own, given, turn, both = cooked("dated", [Text("t", "2021"), Text("u"), QUESTIONS[0], system], date="2024-05")
    assert (own.text, given.text) == ("Date: 2021\n\nt", "Date: 2024-05\n\nu")  # type: ignore[union-attr]
    assert turn.messages[0].role == both.messages[0].role == "system"  # type: ignore[union-attr]
    assert "ends on 2024-05" in turn.messages[0].content  # type: ignore[union-attr]
    assert both.messages[0].content.endswith("Be brief.") and len(both.messages) == 3  # type: ignore[union-attr]
    with pytest.raises(AdvisorError, match="no dates"):
        cooked("dated", [Text("u")])


def test_the_target_language_is_learnt_with_some_of_the_other() -> None:
    """Every target text is learnt, with the wanted share of source texts; only target texts are measured."""
    pairs: list[Record] = [Parallel((("en", f"word {n}"), ("de", f"Wort {n}"))) for n in range(300)]
    train, held_out = (cooked("target-language", pairs, side, language="German") for side in (False, True))
    english = [row for row in train if row.text.startswith("word")]  # type: ignore[union-attr]
    assert len(train) - len(english) == len(held_out) == 300
    assert 0.22 < len(english) / len(train) < 0.38
    both = cooked("both-languages", pairs, language="de")
    assert len(both) == 600 and len(cooked("both-languages", pairs, True)) == 300
    with pytest.raises(AdvisorError, match="no text in French"):
        cooked("target-language", pairs, language="fr")


def test_pairs_are_translations_without_a_recipe() -> None:
    """A pair that is learnt plainly is a request to translate."""
    (row,) = cook(None, [Parallel((("en", "bird"), ("de", "Vogel")))], False, list)
    assert row == ask("Translate into German:\n\nbird", "Vogel")


def test_chunks_keep_everything() -> None:
    """Chunks respect their size and lose nothing but white space."""
    text = "One sentence here. Another one there!\n\n" + "word " * 60
    chunks = chunked(text, 50)
    assert max(map(len, chunks)) <= 50
    assert "".join("".join(chunks).split()) == "".join(text.split())


def test_the_index_prefers_rare_words() -> None:
    """The passage with the telling word is first."""
    index = Index(PASSAGES)
    assert index.passages[index.ranked("What is the clarinet made of?", 1)[0]].startswith("A clarinet")


@pytest.mark.parametrize("name", ["rag-aware", "raft"])
def test_the_sides_share_no_passage(name: str) -> None:
    """Passages of held-out questions come from held-out texts alone."""
    spec = DataSpec.model_validate(
        {"path": "builtin:stdlib", "kind": "qa-pairs", "max_examples": 60, "recipe": {"name": name}}
    )
    train = {line for row in load(spec, "train") for line in prompt_of(row).split("\n\n") if line.startswith("[")}
    held_out = {line for row in load(spec, "held-out") for line in prompt_of(row).split("\n\n") if line.startswith("[")}
    assert train and held_out
    assert not {line[4:] for line in train} & {line[4:] for line in held_out}
