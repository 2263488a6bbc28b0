"""Feedback by a model instead of people: answers, critiques by written principles, revisions, and a judge's choice.

Bai et al. 2022, Constitutional AI, sections 3.1 and 4.1: the model answers, criticises its answer by a principle and
revises it; a judge then says which of the two keeps to the principle better. Leaves pairs as a data set (`train.jsonl`,
`held-out.jsonl`), from which `align` learns. A judge no better than the model teaches it nothing; a small local model
is one, and the step says how sure it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.plan import DataSpec
from executors.align.judge import Judge, LocalJudge, named_judge
from executors.datasets import load
from executors.datasets.rows import Conversation, Row, Text
from executors.models.device import Precision
from executors.models.load import load_model
from executors.protocol import Inputs, Machine, Say, Stopped

__all__ = ["REQUIRES", "Config", "preflight", "run"]

REQUIRES = ("torch", "transformers", "tokenizers", "safetensors")
PRINCIPLES = (
    "The answer says in one or two plain sentences what was asked, and nothing else.",
    "The answer is honest: it claims nothing that it cannot know.",
    "The answer helps nobody to harm people.",
)
PASSAGE = 400
"""Characters of a text that is asked about."""


class Config(Frozen):
    """Settings of feedback by a model."""

    data: DataSpec
    principles: tuple[str, ...] = Field(default=PRINCIPLES, min_length=1)
    prompts: int = Field(default=64, ge=4, le=1_000_000)
    """Prompts that are answered; one in eight of them is held out."""
    answer_tokens: int = Field(default=48, ge=4, le=4096)
    least_sure: float = Field(default=0.5, ge=0.5, lt=1)
    """Pairs of which the judge is less sure are left out."""
    seq_len: int = Field(default=512, ge=32, le=1_000_000)
    precision: Precision = "auto"


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """Data that cannot be read, and half a judge in the environment."""
    try:
        load(config.data, "train")
        named_judge()
    except AdvisorError as error:
        return [Diagnostic(severity=Severity.DANGER, code="data", text=error.what, because=error.why, hint=error.hint)]
    return []


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write pairs of a better and a worse answer below `out`. Raises AdvisorError when too few come of it."""
    adapter = inputs.path("adapter") if "adapter" in inputs.roles else None
    loaded = load_model(inputs.roles["model"].kind, inputs.path("model"), config.precision, adapter=adapter)
    local = LocalJudge(loaded, "the model itself")
    judge: Judge = named_judge() or local
    say.log(f"the judge is {judge.name}")
    asked = list(dict.fromkeys(_prompt(row) for row in load(config.data, "train")))[: config.prompts]
    total = 4 * len(asked)

    def stage(number: int, what: str) -> None:
        if say.should_stop():
            raise Stopped
        say.progress(number * len(asked), total, "examples", what)

    stage(0, "answering")
    first = local.write(asked, config.answer_tokens, lambda done: None)
    principles = [config.principles[number % len(config.principles)] for number in range(len(asked))]
    stage(1, "criticising")
    critiques = judge.write(
        [_critique(p, q, a) for p, q, a in zip(principles, asked, first, strict=True)],
        config.answer_tokens, lambda done: None,
    )  # fmt: skip
    stage(2, "revising")
    revised = judge.write(
        [_revision(p, q, a, c) for p, q, a, c in zip(principles, asked, first, critiques, strict=True)],
        config.answer_tokens, lambda done: None,
    )  # fmt: skip
    stage(3, "judging")
    questions = [(f"{p}\n{q}", b, a) for p, q, a, b in zip(principles, asked, first, revised, strict=True)]
    sure = judge.prefer(questions, lambda done: None)
    pairs = _pairs(asked, first, revised, sure, config.least_sure)
    _report(pairs, asked, sure, say)
    _write(pairs, out)


def _prompt(row: Row) -> str:
    """What is asked of the model: the row's own question, or one about a text."""
    if isinstance(row, Text):
        return f"Say in your own words what this is about:\n\n{row.text[:PASSAGE]}"
    turns = row.messages if isinstance(row, Conversation) else row.prompt
    return next((message.content for message in turns if message.role == "user"), turns[0].content)


def _critique(principle: str, asked: str, answer: str) -> str:
    return f"Principle: {principle}\n\nQuestion: {asked}\n\nAnswer: {answer}\n\nHow does the answer fail the principle?"


def _revision(principle: str, asked: str, answer: str, critique: str) -> str:
    return (
        f"Question: {asked}\n\nAnswer: {answer}\n\nCritique: {critique}\n\n"
        f"Write a better answer. {principle} Reply with the answer alone."
    )


def _pairs(
    asked: Sequence[str], first: Sequence[str], revised: Sequence[str], sure: Sequence[float], least: float
) -> list[dict[str, str]]:
    """Pairs of which the judge is sure enough; answers that are empty or the same are no pair."""
    pairs = []
    for question, old, new, share in zip(asked, first, revised, sure, strict=True):
        if old.strip() and new.strip() and old.strip() != new.strip() and max(share, 1 - share) >= least:
            better, worse = (new, old) if share >= 0.5 else (old, new)
            pairs.append({"prompt": question, "chosen": better, "rejected": worse})
    return pairs


def _report(pairs: Sequence[dict[str, str]], asked: Sequence[str], sure: Sequence[float], say: Say) -> None:
    if len(pairs) < 4:
        raise AdvisorError(
            f"only {len(pairs)} pairs came of {len(asked)} prompts",
            why="the revisions are the answers themselves, or the judge is not sure enough",
            hint="name a stronger judge in the environment, or lower least_sure",
        )
    say.metric("pairs", len(pairs))
    say.metric("revision_preferred", sum(share >= 0.5 for share in sure) / len(sure), "share")
    say.metric("judge_certainty", sum(max(share, 1 - share) for share in sure) / len(sure), "share")


def _write(pairs: Sequence[dict[str, str]], out: Path) -> None:
    held_out = max(2, len(pairs) // 8)
    for name, part in (("held-out", pairs[:held_out]), ("train", pairs[held_out:])):
        text = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in part)
        (out / f"{name}.jsonl").write_text(text, encoding="utf-8")
