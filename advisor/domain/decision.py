"""`Decisions`: what a person decided about the steps of a run, as `decisions.json` in its folder.

Front ends write it, the supervisor reads it when it starts: it takes effect with the next `advisor resume`.
"""

from typing import Literal

from pydantic import Field

from advisor.domain.base import Lenient

DECISIONS = "decisions.json"
Word = Literal["keep", "roll-back"]
"""keep: whatever its gate says. roll-back: the chain goes on from what the step started from."""


class Decisions(Lenient):
    """Number of a step -> what was decided."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    steps: dict[int, Word] = Field(default_factory=dict)

    @property
    def rolled_back(self) -> frozenset[int]:
        return frozenset(number for number, word in self.steps.items() if word == "roll-back")

    @property
    def kept(self) -> frozenset[int]:
        return frozenset(number for number, word in self.steps.items() if word == "keep")
