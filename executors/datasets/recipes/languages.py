"""Texts in two languages: as translations to ask for, as text of one language, or as both directions."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.domain.errors import AdvisorError
from advisor.domain.languages import matches, name_of
from advisor.domain.plan import Recipe
from executors.datasets.rows import Conversation, Parallel, Row, Text, ask, hashed


def translation(row: Parallel, language: str | None = None) -> Conversation:
    """The request to translate the other side, answered by the side in `language` (None: the second)."""
    target, source = _sides(row, language)
    return ask(f"Translate into {name_of(target[0])}:\n\n{source[1]}", target[1])


def target_language(recipe: Recipe, rows: Sequence[Parallel | Row], is_held_out: bool) -> list[Row]:
    """The target side of pairs as text. To learn from, a share of the other side is added against forgetting.

    Rows that are no pairs stay as they are: they are in the language already.
    """
    made: list[Row] = []
    for row in rows:
        if not isinstance(row, Parallel):
            made.append(row)
            continue
        target, source = _sides(row, recipe.language)
        made.append(Text(target[1]))
        # So many of the other side that they are `source_share` of all.
        share = recipe.source_share / (1 - recipe.source_share)
        if not is_held_out and hashed(f"source:{row.key}") / 2**64 < share:
            made.append(Text(source[1]))
    return made


def both_languages(recipe: Recipe, rows: Sequence[Parallel | Row], is_held_out: bool) -> list[Row]:
    """Pairs as translations in both directions; measured in the direction of the language to learn."""
    made: list[Row] = []
    for row in rows:
        if not isinstance(row, Parallel):
            made.append(row)
            continue
        target, source = _sides(row, recipe.language)
        made.append(translation(row, target[0]))
        if not is_held_out:
            made.append(translation(row, source[0]))
    return made


def _sides(row: Parallel, language: str | None) -> tuple[tuple[str, str], tuple[str, str]]:
    """(target, source). Raises AdvisorError when the pair lacks the language."""
    if language is None:
        return row.texts[1], row.texts[0]
    target = next((side for side in row.texts if matches(side[0], language)), None)
    if target is None:
        there = ", ".join(name for name, _ in row.texts)
        raise AdvisorError(f"the data has no text in {name_of(language)}", why=f"its languages are {there}")
    return target, next(side for side in row.texts if side is not target)
