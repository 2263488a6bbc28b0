"""Runs one prompting step: the strategy's prompt, its examples, perhaps the best of several, as a prompt file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.constrain import Constraint
from executors.datasets import load
from executors.datasets.rows import Conversation
from executors.prompt.config import Config
from executors.prompt.examples import Vectors
from executors.prompt.file import Example, PromptFile, read_prompt, write_prompt
from executors.prompt.tools import DESCRIPTIONS
from executors.protocol import Inputs, Say

LONGEST_EXAMPLE = 600
"""Characters of question and answer together: longer ones would fill a small model's context."""
SYSTEMS = {
    "zero-shot": "Answer the question directly and briefly.",
    "few-shot": "Answer in exactly the same form as the examples.",
    "chain-of-thought": "Reason step by step, then give the answer.",
    "system-prompt": "You are a precise reference assistant. Answer in one sentence. "
    "Never add an explanation, a greeting or a guess.",
    "structured-output": "Answer with one JSON object and nothing else.",
}
ANSWER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string", "minLength": 1, "maxLength": 200}},
    "required": ["answer"],
    "additionalProperties": False,
}


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write `prompt.json` below `out`. Raises AdvisorError for data, files or constraints that cannot be used."""
    base = base_prompt(config, inputs)
    found = pairs(config) if config.data is not None else []
    development, pool = found[: config.development] if config.search else [], found
    if config.search:
        pool = found[config.development :]
        if not pool or len(development) < 4:
            raise AdvisorError("too few examples to search on", why=f"there are {len(found)}", hint="search: 0")
    prompt = with_examples(base, config, pool)
    say.log(f"{len(found)} examples, of which {prompt.shown} are shown")
    if config.search:
        from executors.prompt.search import search

        prompt = search(prompt, config, inputs, pool, development, say)
    say.metric("shown_examples", prompt.shown)
    say.progress(1, 1, "steps", "writing")
    write_prompt(prompt, out)


def base_prompt(config: Config, inputs: Inputs) -> PromptFile:
    """The prompt before its examples: that of an earlier step, or a file, or the strategy's own; with the settings."""
    earlier = inputs.roles.get("prompt")
    given = config.prompt.path if config.prompt is not None else earlier.path if earlier is not None else None
    start = read_prompt(given) if given is not None else PromptFile()
    change: dict[str, Any] = {"strategy": config.strategy, "max_tokens": config.max_tokens, "sha256": ""}
    if config.system is not None or not start.system:
        change["system"] = config.system if config.system is not None else SYSTEMS.get(config.strategy, "")
    if config.question is not None:
        change["question"] = config.question
    if config.strategy == "chain-of-thought":
        change |= {"reasoning": config.reasoning, "trigger": "Let's think step by step.", "final": "\nAnswer: "}
    if config.strategy == "structured-output":
        change |= _constrained(config)
    elif config.json_schema is not None or config.regex is not None or config.choices:
        raise AdvisorError(f"{config.strategy} takes no schema", hint="strategy: structured-output")
    if config.strategy in ("react", "tool-use-model"):
        change |= _acting(config, str(change.get("system", start.system)))
    return _validated({**start.model_dump(by_alias=True), **change})


def _validated(values: dict[str, Any]) -> PromptFile:
    from pydantic import ValidationError

    try:
        return PromptFile.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise AdvisorError(f"{key}: {str(first['msg']).removeprefix('Value error, ')}") from None


def _constrained(config: Config) -> dict[str, Any]:
    given = {"json_schema": config.json_schema, "regex": config.regex, "choices": config.choices}
    set_ = {key: value for key, value in given.items() if value}
    if not set_:
        return {"constraint": Constraint(json_schema=ANSWER_SCHEMA).model_dump(), "answer_key": "answer"}
    if len(set_) > 1:
        raise AdvisorError("give one of json_schema, regex and choices", why=f"there are {', '.join(set_)}")
    return {"constraint": {**set_}, "answer_key": _only_text(config.json_schema or {})}


def _only_text(schema: dict[str, Any]) -> str:
    """The name of the schema's only member when that is a text: then it is what the answer is compared by."""
    members = schema.get("properties")
    if isinstance(members, dict) and len(members) == 1:
        name, inner = next(iter(members.items()))
        if isinstance(inner, dict) and inner.get("type") == "string" and "enum" not in inner:
            return str(name)
    return ""


def _acting(config: Config, system: str) -> dict[str, Any]:
    if not config.tools:
        raise AdvisorError(f"{config.strategy} has no tools", hint="tools: [calculator, lookup]")
    told = "\n".join(DESCRIPTIONS[tool] for tool in config.tools)
    if config.strategy == "react":
        form = "Thought: why\nAction: tool[input]\nObservation: what the tool said\nAnswer: the answer"
        text = f"Answer with the help of tools.\n{told}\nWrite lines of this form:\n{form}"
    else:
        form = '{"tool":"lookup","input":"json.dumps"}\nor {"answer":"the answer"}'
        text = f"You may call tools.\n{told}\nAnswer with one JSON object per line:\n{form}"
    return {"system": f"{system}\n{text}".strip(), "tools": config.tools, "max_steps": config.max_steps}


def pairs(config: Config) -> list[Example]:
    """Questions with answers from the training side, those short enough to be shown. Raises AdvisorError."""
    assert config.data is not None
    rows = load(config.data, "train")
    found = [
        Example(question=row.key, answer=row.messages[-1].content.strip())
        for row in rows
        if isinstance(row, Conversation) and row.messages[-1].role == "assistant" and row.messages[-1].content.strip()
        and row.key.strip()
    ]  # fmt: skip
    short = [pair for pair in found if len(pair.question) + len(pair.answer) <= LONGEST_EXAMPLE]
    if not short:
        raise AdvisorError(
            f"{config.data.path} has no questions with answers that could be shown",
            why=f"of {len(rows)} rows {len(found)} are a question with an answer, none shorter than {LONGEST_EXAMPLE}",
            hint="data of kind instructions or qa-pairs",
        )
    return short


def with_examples(prompt: PromptFile, config: Config, found: list[Example]) -> PromptFile:
    """The prompt with its examples, or with the documents that its tools look up."""
    if prompt.tools:
        return prompt.model_copy(update={"documents": tuple(found[: config.documents])}) if found else prompt
    if config.strategy != "few-shot" or not found:
        return prompt
    pool = found[: config.pool]
    if config.choose == "similarity":
        return prompt.model_copy(
            update={"examples": tuple(pool), "shown": min(config.examples, len(pool)), "choose": "similarity"}
        )
    chosen = Vectors([f"{pair.question} {pair.answer}" for pair in pool]).diverse(config.examples)
    return prompt.model_copy(
        update={"examples": tuple(pool[n] for n in chosen), "shown": len(chosen), "choose": "fixed"}
    )
