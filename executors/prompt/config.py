"""What a prompting step may be told, and what can be said against it before it starts. Loads no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.plan import DataSpec
from executors.prompt.file import Strategy, Tool
from executors.protocol import Inputs, Machine

REQUIRES = ("torch", "transformers", "tokenizers", "peft", "safetensors")


class PromptPath(Frozen):
    """A prompt file to start from."""

    path: str


class Config(Frozen):
    """Settings of one prompting step. What is left out has a default of its strategy."""

    strategy: Strategy = "zero-shot"
    data: DataSpec | None = None
    """Examples are taken from its training side, and prompts are judged on a part of that."""
    prompt: PromptPath | None = None
    """A prompt file of one's own; what is set here changes it."""
    system: str | None = None
    question: str | None = None
    """The user's turn; {question} stands for what is asked."""
    examples: int = Field(default=4, ge=0, le=8)
    """Shown before the question: 2 to 8 for few-shot, 0 for none."""
    choose: Literal["diversity", "similarity"] = "similarity"
    """Examples that differ from one another, or for each question those most like it."""
    pool: int = Field(default=200, ge=2, le=2000)
    """Examples that may be shown."""
    json_schema: dict[str, Any] | None = None
    """What answers are valid against; without it an object with one text, answer."""
    regex: str | None = None
    """What answers match, in place of a schema."""
    choices: tuple[str, ...] = ()
    """What answers are one of, in place of a schema."""
    tools: tuple[Tool, ...] = ("calculator", "lookup")
    """What react and tool-use-model may call."""
    documents: int = Field(default=2000, ge=0, le=5000)
    """Training examples that the tool lookup searches."""
    max_steps: int = Field(default=3, ge=1, le=20)
    reasoning: int = Field(default=96, ge=8, le=4096)
    """Tokens of chain of thought before the answer."""
    max_tokens: int = Field(default=64, ge=1, le=4096)
    search: int = Field(default=0, ge=0, le=50)
    """Prompts tried on a development split, the best of which is kept; 0: none."""
    development: int = Field(default=24, ge=4, le=1000)
    """Examples of the development split, set apart from the training side."""


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """Data, prompt file or constraint that cannot be used."""
    from executors.prompt.run import base_prompt, pairs

    try:
        prompt = base_prompt(config, inputs)
        if prompt.constraint is not None:
            from executors.constrain.automaton import build

            shortest = build(prompt.constraint.language()).shortest
            if shortest > prompt.max_tokens:
                raise AdvisorError(
                    f"the shortest valid answer may take {shortest} tokens, and max_tokens is {prompt.max_tokens}",
                    hint="raise max_tokens, or make the schema smaller",
                )
        if config.strategy == "few-shot" and not prompt.shown and config.examples < 2:
            raise AdvisorError(f"few-shot shows 2 to 8 examples, not {config.examples}", hint="set examples")
        if config.data is not None and config.data.path:
            pairs(config)
        elif config.strategy == "few-shot" and not prompt.examples:
            raise AdvisorError("few-shot has no examples to show", hint="name data with questions and answers")
        elif config.search:
            raise AdvisorError("prompts are searched on data, and none is named", hint="set data, or search: 0")
    except AdvisorError as error:
        words = {"text": error.what, "because": error.why, "hint": error.hint}
        return [Diagnostic(severity=Severity.DANGER, code="prompt", **words)]
    return []
