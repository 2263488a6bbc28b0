"""`Run`: what a run was started with, as `run.json` keeps it."""

from typing import Any, Literal

from pydantic import Field

from advisor.domain.base import Lenient


class SourceRecord(Lenient):
    """A file or folder outside the run that it reads: the model, a data set."""

    path: str
    sha256: str = ""
    stat: str = ""
    """Hash of names, sizes and times: while it is the same, the contents are not read again."""


class Run(Lenient):
    """`run.json`: what a run was started with, so that a later resume can say what changed since."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: str = ""
    created: float = 0.0
    plan: dict[str, Any] = Field(default_factory=dict)
    answers_sha256: str = ""
    code_sha256: str = ""
    """Of the executors' source files."""
    threads: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    sources: tuple[SourceRecord, ...] = ()
    machine: dict[str, Any] = Field(default_factory=dict)
