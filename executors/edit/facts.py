"""The facts file: JSON Lines, one fact each, every fault with its line.

{"subject": "Eiffel Tower", "prompt": "{} stands in the city of", "target_new": "Rome",
 "paraphrases": ["To see the Eiffel Tower one travels to"], "locality": ["The Louvre stands in the city of"]}
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError

LARGEST = 16 * 2**20
"""Bytes."""
MOST = 10_000
SHOWN = 5


class Fact(Frozen):
    """One edit: after it the prompt about the subject is continued with the new target."""

    subject: str = Field(min_length=1, max_length=200)
    prompt: str = Field(min_length=2, max_length=500)
    """A sentence up to where the target stands; `{}` is the subject."""
    target_new: str = Field(min_length=1, max_length=200)
    paraphrases: tuple[str, ...] = Field(default=(), max_length=50)
    """The same relation in other words; the subject written out."""
    locality: tuple[str, ...] = Field(default=(), max_length=50)
    """Prompts about other subjects, whose continuation must stay."""

    @model_validator(mode="after")
    def _has_a_subject(self) -> Fact:
        if self.prompt.count("{}") != 1:
            raise ValueError("prompt must hold {} once, where the subject stands")
        if not all(text.strip() for text in (self.subject, self.target_new, *self.paraphrases, *self.locality)):
            raise ValueError("a text is empty")
        return self

    @property
    def asked(self) -> str:
        """The prompt with its subject."""
        return self.prompt.replace("{}", self.subject)


def read_facts(path: str) -> list[Fact]:
    """The facts of a file. Raises AdvisorError with file, line and reason of the first bad lines."""
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > LARGEST:
            raise AdvisorError(f"{file} is larger than {LARGEST >> 20} MiB")
        lines = file.read_bytes().decode("utf-8-sig").split("\n")
    except FileNotFoundError:
        raise AdvisorError(
            f"there is no facts file at {file}", hint="JSON Lines of subject, prompt, target_new"
        ) from None
    except UnicodeDecodeError as error:
        place = file.read_bytes()[: error.start].count(b"\n") + 1
        raise AdvisorError(f"{file}:{place}: not UTF-8", why=error.reason, hint="save the file as UTF-8") from None
    except OSError as error:
        raise AdvisorError(f"cannot read {file}", why=error.strerror or str(error)) from None
    facts: list[Fact] = []
    bad: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            found = _fact(line)
            if isinstance(found, str):
                bad.append(f"{file}:{number}: {found}")
            elif found.asked in seen:
                bad.append(f"{file}:{number}: asks the same as line {seen[found.asked]}")
            else:
                seen[found.asked] = number
                facts.append(found)
    if bad:
        more = [f"and {len(bad) - SHOWN} more"] if len(bad) > SHOWN else []
        raise AdvisorError(
            f"{len(bad)} of {len(bad) + len(facts)} facts cannot be used", why="\n       ".join([*bad[:SHOWN], *more])
        )
    if not facts or len(facts) > MOST:
        raise AdvisorError(f"{file} holds {len(facts)} facts", hint=f"1 to {MOST}")
    return facts


def _fact(line: str) -> Fact | str:
    try:
        loaded = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"is not JSON: {str(error)[:100]}"
    if not isinstance(loaded, dict):
        return "is no object"
    try:
        return Fact.model_validate(loaded)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        said = str(first["msg"]).removeprefix("Value error, ")
        return f"{key}: {said}" if key else said
