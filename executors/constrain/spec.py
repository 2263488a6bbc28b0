"""`Constraint`: what an answer must look like, as it stands in a prompt file."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from advisor.domain.base import Frozen
from executors.constrain.regular import Choice, Node, expression, literal


class Constraint(Frozen):
    """Exactly one of a JSON Schema, a regular expression, or a list of texts."""

    json_schema: dict[str, Any] | None = None
    regex: str | None = Field(default=None, min_length=1, max_length=10_000)
    choices: tuple[str, ...] = Field(default=(), max_length=10_000)

    @model_validator(mode="after")
    def _is_one(self) -> Constraint:
        given = [self.json_schema is not None, self.regex is not None, bool(self.choices)]
        if sum(given) != 1:
            raise ValueError("give one of json_schema, regex and choices")
        if any(not choice for choice in self.choices):
            raise ValueError("a choice is empty")
        return self

    def language(self) -> Node:
        """The texts it allows. Raises AdvisorError for what cannot be read, is too large, or allows nothing."""
        if self.json_schema is not None:
            from executors.constrain.schema import from_schema

            return from_schema(self.json_schema)
        if self.regex is not None:
            return expression(self.regex)
        return Choice(tuple(literal(choice) for choice in self.choices))
