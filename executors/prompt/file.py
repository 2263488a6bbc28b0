"""The prompt file: everything that makes a prompt, in one file with a version and a hash. JSON, or YAML by hand.

A file may be anybody's: it is read with bounds, and what is wrong with it is said with its key.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, ExitCode
from executors.constrain import Constraint

FILE = "prompt.json"
LARGEST = 4 * 2**20
"""Bytes."""
QUESTION = "{question}"
Strategy = Literal[
    "zero-shot", "few-shot", "chain-of-thought", "system-prompt", "structured-output", "react", "tool-use-model"
]
Tool = Literal["calculator", "lookup"]


class Example(Frozen):
    """A question with the answer that is wanted."""

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)


class PromptFile(Frozen):
    """One prompt. `sha256` is the hash of everything else in it."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    strategy: Strategy = "zero-shot"
    system: str = ""
    """The system message; empty: none of its own."""
    question: str = QUESTION
    """The user's turn; `{question}` stands for what is asked."""
    examples: tuple[Example, ...] = Field(default=(), max_length=2000)
    shown: int = Field(default=0, ge=0, le=8)
    """How many of the examples are shown before the question."""
    choose: Literal["fixed", "similarity"] = "fixed"
    """fixed: the first ones; similarity: those whose question is most like the one asked, the most similar last."""
    reasoning: int = Field(default=0, ge=0, le=4096)
    """Tokens the model may reason for before it answers."""
    trigger: str = ""
    """What the answer begins with, written for the model: it starts the reasoning, or the answer's form."""
    final: str = ""
    """What stands between the reasoning and the answer."""
    answer_key: str = ""
    """The member of a JSON answer that is the answer."""
    constraint: Constraint | None = None
    tools: tuple[Tool, ...] = Field(default=(), max_length=8)
    documents: tuple[Example, ...] = Field(default=(), max_length=5000)
    """What the tool `lookup` searches: name and text."""
    max_steps: int = Field(default=3, ge=1, le=20)
    """Tools called for one question at most."""
    max_tokens: int = Field(default=64, ge=1, le=4096)
    """Of the answer."""
    sha256: str = ""

    @field_validator("question")
    @classmethod
    def _asks(cls, value: str) -> str:
        if value.count(QUESTION) != 1:
            raise ValueError(f"must hold {QUESTION} exactly once")
        return value

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of everything but the hash itself."""
        content = self.model_dump(mode="json", by_alias=True, exclude={"sha256"})
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def write_prompt(prompt: PromptFile, folder: Path) -> None:
    """Write `prompt.json` below `folder`, with its hash."""
    whole = prompt.model_copy(update={"sha256": prompt.digest})
    text = json.dumps(whole.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_prompt(path: str | Path) -> PromptFile:
    """The prompt at `path`: a file, or a folder with `prompt.json`.

    Raises AdvisorError for what cannot be read or is not a prompt, naming the key; 8 when its hash does not fit.
    """
    place = Path(path).expanduser()
    file = place / FILE if place.is_dir() else place
    loaded = _loaded(file, _text_of(file))
    if not isinstance(loaded, dict):
        raise AdvisorError(f"{file} is not a prompt file", why="it holds no mapping of keys")
    try:
        prompt = PromptFile.model_validate(loaded)
    except ValidationError as error:
        raise AdvisorError(f"{file}: {_first_fault(error)}", hint="docs/prompts.md lists the keys") from None
    if prompt.shown > len(prompt.examples):
        raise AdvisorError(
            f"{file}: shown is {prompt.shown} and there are {len(prompt.examples)} examples", hint="add examples"
        )
    if prompt.sha256 and prompt.sha256 != prompt.digest:
        raise AdvisorError(
            f"{file} has other contents than when it was written",
            why="its sha256 does not fit",
            hint="remove the line sha256 to take it as it is",
            code=ExitCode.REFUSED,
        )
    return prompt


def _text_of(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST:
            raise AdvisorError(f"{file} is larger than {LARGEST >> 20} MiB")
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise AdvisorError(f"there is no prompt file at {file}") from None
    except UnicodeDecodeError as error:
        raise AdvisorError(f"{file}: not UTF-8", why=f"byte {error.start} is {error.reason}") from None
    except OSError as error:
        raise AdvisorError(f"cannot read {file}", why=error.strerror or str(error)) from None


def _loaded(file: Path, text: str) -> Any:
    try:
        if file.suffix.lower() in (".yaml", ".yml"):
            return _yaml(file, text)
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise AdvisorError(f"{file}:{error.lineno}: not JSON", why=error.msg) from None
    except RecursionError:
        raise AdvisorError(f"{file}: nested too deeply") from None


def _yaml(file: Path, text: str) -> Any:
    """Safe YAML without aliases: a few lines of them can stand for gigabytes."""
    import yaml

    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1 if event.start_mark is not None else 1
                raise AdvisorError(f"{file}:{line}: aliases are not read", hint="write the value out")
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise AdvisorError(f"{file}:{line}: not YAML", why=error.problem or "") from None
    except yaml.YAMLError as error:
        raise AdvisorError(f"{file}: not YAML", why=str(error).splitlines()[0][:200]) from None


def _first_fault(error: ValidationError) -> str:
    import difflib

    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(key.split(".")[-1], PromptFile.model_json_schema()["properties"], n=1)
        return f"unknown key {key!r}" + (f", did you mean {close[0]!r}?" if close else "")
    return f"{key}: {str(first['msg']).removeprefix('Value error, ')}"
