"""Recipes: which examples are made of the rows that were read. Pure functions of rows and recipe, no tokenizer.

The same recipe makes what is learnt and what is measured, so that an evaluation asks as training did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from advisor.domain.plan import Recipe
from executors.datasets.recipes.dated import dated
from executors.datasets.recipes.languages import both_languages, target_language, translation
from executors.datasets.recipes.passages import folded, with_passages
from executors.datasets.rows import Conversation, Parallel, Record, Row


def cook(
    recipe: Recipe | None, rows: Sequence[Record], is_held_out: bool, passages: Callable[[], Sequence[str]]
) -> list[Row]:
    """The examples for `rows`. `passages` gives the collection in which passages are looked up, of the same side.

    Raises AdvisorError (exit 2) when the rows lack what the recipe needs.
    """
    name = recipe.name if recipe is not None else ""
    if recipe is None or name == "closed-book":
        return [_plainly(row, keeps_passages=recipe is None) for row in rows]
    if name in ("rag-aware", "raft"):
        return with_passages(recipe, [_plainly(row, True, False) for row in rows], is_held_out, passages)
    if name == "dated":
        return dated(recipe, [_plainly(row, keeps_passages=True) for row in rows])
    make = target_language if name == "target-language" else both_languages
    return make(recipe, [row if isinstance(row, Parallel) else _plainly(row, True) for row in rows], is_held_out)


def _plainly(row: Record, keeps_passages: bool, folds: bool = True) -> Row:
    """A row as it is learnt without a recipe: pairs as translations, passages before the question."""
    if isinstance(row, Parallel):
        return translation(row)
    if not isinstance(row, Conversation) or not row.passages:
        return row
    if not keeps_passages:
        return Conversation(row.messages, row.tools)
    return folded(row) if folds else row
