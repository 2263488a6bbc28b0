"""What a front end and the process that answers for one artifact say to each other: one JSON line each.

The front end sends an `Opening`, then `Question`s one at a time, and at any moment `Cancel`; closing the pipe ends the
process. It hears `Ready`, then for each question `Piece`s and one `Answered`; `Refused` in place of either.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from advisor.domain.base import Frozen, Lenient
from advisor.domain.plan import ArtifactRef

ANSWERING_VERSION = 1


class Turn(Frozen):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"] = "user"
    content: str


class Opening(Frozen):
    """The first line: what answers. Roles as a step's: `model`, and with it `adapter`, `index` and `prompt`."""

    type: Literal["opening"] = "opening"
    schema_: Literal[1] = Field(default=1, alias="schema")
    roles: dict[str, ArtifactRef]
    threads: int | None = Field(default=None, ge=1, le=1024)


class Question(Frozen):
    """A conversation whose next turn is asked for."""

    type: Literal["question"] = "question"
    id: int = 0
    messages: tuple[Turn, ...] = Field(min_length=1)
    max_tokens: int = Field(default=64, ge=1, le=32_768)
    temperature: float = Field(default=0.0, ge=0, le=10)
    """0: the most likely token each time."""
    seed: int = 0


class Cancel(Frozen):
    """Ends the answer that is being written; what was written counts."""

    type: Literal["cancel"] = "cancel"


class Ready(Lenient):
    """The model is loaded."""

    type: Literal["ready"] = "ready"
    bytes: int = 0
    """Of its files, adapter included."""
    seconds: float = 0.0
    pid: int = 0


class Piece(Lenient):
    """The next characters of an answer."""

    type: Literal["piece"] = "piece"
    id: int = 0
    text: str = ""


class Answered(Lenient):
    """An answer is complete. `end`: the model ended it; `length`: `max_tokens` did; `cancelled`: the front end did."""

    type: Literal["answered"] = "answered"
    id: int = 0
    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    first_seconds: float = 0.0
    """Until the first token."""
    reason: Literal["end", "length", "cancelled"] = "end"
    sources: tuple[str, ...] = ()
    """What the answer was given to rest on, as it may cite it: `[1] json`. Text of documents: untrusted."""


class Refused(Lenient):
    """The model cannot be loaded (then the process ends), or a question cannot be answered (then it goes on)."""

    type: Literal["refused"] = "refused"
    id: int | None = None
    text: str = ""
    because: str = ""
    hint: str = ""
    exit_code: int = 1


Asked = Annotated[Opening | Question | Cancel, Field(discriminator="type")]
Said = Annotated[Ready | Piece | Answered | Refused, Field(discriminator="type")]

_ASKED: TypeAdapter[Asked] = TypeAdapter(Asked)
_SAID: TypeAdapter[Said] = TypeAdapter(Said)


def parse_asked(line: str | bytes) -> Asked:
    """One line from the front end. Raises pydantic's ValidationError."""
    return _ASKED.validate_json(line)


def parse_said(line: str | bytes) -> Said:
    """One line from the answering process. Raises pydantic's ValidationError."""
    return _SAID.validate_json(line)
