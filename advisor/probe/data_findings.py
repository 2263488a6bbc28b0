"""What is worth telling of a data set, as sentences. Pure."""

from __future__ import annotations

from advisor.domain.profiles import DataProfile
from advisor.domain.words import DataKind

FEW_ROWS = 100
TRAINED = (DataKind.INSTRUCTIONS, DataKind.QA_PAIRS, DataKind.PREFERENCES, DataKind.FEEDBACK, DataKind.TOOL_CALLS)


def findings_of(data: DataProfile, first_secret: str, counts_are_estimates: bool) -> tuple[str, ...]:
    """Defects first. `first_secret`: place of the first row with a secret; `counts_are_estimates`: of duplicates."""
    about = "about " if counts_are_estimates else ""
    found: list[str] = []
    if data.bad_row_count:
        found.append(f"{_rows(data.bad_row_count)} cannot be used: repair or remove them before training.")
    if data.secret_rows:
        found.append(
            f"{_rows(data.secret_rows)} may hold passwords, keys or tokens (first: {first_secret}): "
            "a model can repeat what it was trained on."
        )
    if data.leaked_rows:
        found.append(
            f"{about}{_rows(data.leaked_rows)} of the held-out data are in the training data: scores would lie."
        )
    if data.empty_rows:
        found.append(f"{_rows(data.empty_rows)} have nothing to learn from (no text, or no answer).")
    if data.equal_preferences:
        found.append(f"{_rows(data.equal_preferences)} prefer an answer to itself (chosen equals rejected).")
    if data.duplicates:
        share = 100 * data.duplicates / max(1, data.rows)
        found.append(f"{about}{_rows(data.duplicates)} repeat earlier ones ({share:.0f} %).")
    if data.kind in TRAINED and data.rows < FEW_ROWS:
        found.append(f"Only {_rows(data.rows)}: prompting with examples may do better than training.")
    if len(data.languages) > 1:
        found.append(f"More than one language: {', '.join(data.languages)}.")
    return tuple(found)


def _rows(number: int) -> str:
    return f"{number} row" if number == 1 else f"{number} rows"
