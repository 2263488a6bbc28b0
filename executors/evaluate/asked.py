"""Evaluation of a model as it is asked: through a prompt, or with passages from an index, where they are given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from advisor.domain.run import Evaluation, Metric
from executors.datasets.rows import Conversation, Row
from executors.evaluate.config import Config
from executors.metrics.written import exact_match, f1
from executors.models.load import Loaded
from executors.prompt.asking import Asker, open_asker
from executors.prompt.file import PromptFile
from executors.prompt.writing import Writer, Written
from executors.protocol import Inputs, Say


def asker_of(inputs: Inputs) -> Asker:
    """How the evaluation asks. Raises AdvisorError for a prompt that cannot be read."""
    finder = None
    if "index" in inputs.roles:
        from executors.retrieve import IndexFinder, open_index
        from executors.retrieve.prompt import SYSTEM

        finder = IndexFinder(open_index(Path(inputs.path("index")), is_verified=True))
        if "prompt" not in inputs.roles:
            return Asker(PromptFile(system=SYSTEM), finder)
    return open_asker(inputs.path("prompt") if "prompt" in inputs.roles else None, finder)


def asked_rows(config: Config, rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Question and wanted answer of the rows that are asked in full: single questions only."""
    found = [
        (row.messages[0].content, row.messages[1].content)
        for row in rows
        if isinstance(row, Conversation) and [m.role for m in row.messages] == ["user", "assistant"]
    ]
    return found[: config.answers]


def written_answers(
    config: Config, loaded: Loaded, asker: Asker, rows: Sequence[Row], found: Evaluation, say: Say
) -> Evaluation:
    """Add exact match and F1 of answers that are written out, and the seconds one takes."""
    asked = asked_rows(config, rows)
    if not asked:
        return found
    total = len(asked)
    answers = Writer(loaded, asker).answer(
        [question for question, _ in asked],
        config.answer_tokens,
        lambda done: say.progress(done, total, "examples", "written answers"),
    )
    return _with(found, asked, answers)


def _with(found: Evaluation, asked: list[tuple[str, str]], answers: list[Written]) -> Evaluation:
    exact = tuple(exact_match(a.answer, wanted) for a, (_, wanted) in zip(answers, asked, strict=True))
    shared = tuple(f1(a.answer, wanted) for a, (_, wanted) in zip(answers, asked, strict=True))
    seconds = tuple(answer.seconds for answer in answers)
    metrics = (
        Metric(name="answer_accuracy", value=_mean(exact), unit="share", higher_is_better=True),
        Metric(name="answer_f1", value=_mean(shared), unit="share", higher_is_better=True),
        Metric(name="answer_seconds", value=_mean(seconds), unit="s", higher_is_better=False),
    )
    values = {"answer_accuracy": exact, "answer_f1": shared, "answer_seconds": seconds}
    samples = tuple(
        {"prompt": q, "answer": a.answer[:400], "wanted": w} for (q, w), a in zip(asked, answers, strict=True)
    )
    return found.model_copy(
        update={
            "metrics": (*found.metrics, *metrics),
            "per_example": {**found.per_example, **values},
            "samples": samples[:SAMPLES],
        }
    )


SAMPLES = 3


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
