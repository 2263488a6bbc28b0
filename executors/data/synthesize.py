"""synthetic-data: new questions and answers written by a model, each checked before it is kept.

Self-Instruct (Wang et al. 2022, section 2): new questions in the manner of some that are there, none too like an
earlier one. Evol-Instruct (Xu et al. 2023, WizardLM, section 3): a given question made harder or broader. What is
written is kept only when rules find no fault in it, and where asked for, when the model itself judges the answer right.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from advisor.domain.errors import AdvisorError, ExitCode, Severity
from executors.data.generator import Generator, generator_of
from executors.data.near import Neighbours
from executors.data.records import to_record
from executors.data.writing import DataConfig, check, sides, write_sides
from executors.datasets.rows import Conversation, Record, ask
from executors.protocol import Inputs, Say, Stopped

REQUIRES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")
MADE = "made.jsonl"
ROUND = 16
EVOLVE = (
    "add one more condition to it",
    "make it need one more step of thought",
    "ask the same of a rarer case",
    "replace what is general in it by something specific",
)
REFUSALS = re.compile(r"(as an ai|i cannot|i can't|i'm sorry|i am sorry|language model)", re.IGNORECASE)
LABEL = re.compile(r"^\s*(?:\d+[.):]|[-*]|question:|task:|instruction:|new question:)\s*", re.IGNORECASE)


class Config(DataConfig):
    """Settings of one writing of examples."""

    method: Literal["self-instruct", "evol-instruct"] = "self-instruct"
    rows: int = Field(default=200, ge=1, le=1_000_000)
    """Rows to write."""
    shown: int = Field(default=3, ge=1, le=16)
    """Questions shown to the model as examples."""
    similarity: float = Field(default=0.7, gt=0, le=1)
    """A question that is so like an earlier one is dropped."""
    question_tokens: int = Field(default=64, ge=4, le=4096)
    answer_tokens: int = Field(default=160, ge=4, le=8192)
    temperature: float = Field(default=0.8, ge=0, le=2)
    judge: bool = False
    """Ask the model whether each answer is right, and keep those it says yes to."""
    tries: int = Field(default=4, ge=1, le=100)
    """Questions that are written at most for each row wanted."""


preflight = check


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the rows of the data with the new ones. Goes on from what an interrupted writing has kept."""
    train, held_out = sides(config)
    seeds = [row for row in train if isinstance(row, Conversation) and not row.tools]
    if not seeds:
        raise AdvisorError("there is no question to start from", why="the data holds no plain conversations")
    made, counts = _write(config, inputs, seeds, held_out, say)
    if not made:
        why = ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in counts) or "nothing was written"
        raise AdvisorError("no row was written that passes the checks", why=why, code=ExitCode.RUN_FAILED)
    if len(made) < config.rows:
        text = f"{len(made)} of {config.rows} rows were written"
        say.diagnostic(
            Severity.WARNING, "fewer-rows", text, "the tries were used up", "raise tries, or lower similarity"
        )
    report = {"rows_before": len(train), "rows_written": len(made), "rows_after": len(train) + len(made), **counts}
    write_sides(out, [*train, *made], held_out, report, say)


def _write(
    config: Config, inputs: Inputs, seeds: Sequence[Conversation], held_out: Sequence[Record], say: Say
) -> tuple[list[Conversation], Counter[str]]:
    generator = generator_of(inputs, config.temperature)
    say.log(f"{config.method}: {config.rows} rows by {generator.name}")
    kept = Path(inputs.scratch) / MADE if inputs.scratch else None
    made = _earlier(kept)
    counts: Counter[str] = Counter()
    known = Neighbours(config.similarity)
    for row in (*seeds, *held_out, *made):
        known.add(row.key)
    turn = len(made)
    while len(made) < config.rows and turn < config.tries * config.rows:
        randomness = random.Random(f"{inputs.seed}:{turn}")
        prompts = [_prompt(config, seeds, randomness) for _ in range(min(ROUND, config.rows - len(made)))]
        for row in _round(config, generator, prompts, inputs.seed + turn, known, counts):
            made.append(row)
            if kept is not None:
                with kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(to_record(row), ensure_ascii=False) + "\n")
        turn += len(prompts)
        say.progress(min(len(made), config.rows), config.rows, "rows", "writing")
        if say.should_stop():
            raise Stopped(f"stopped after {len(made)} rows")
    return made[: config.rows], counts


def _round(
    config: Config, generator: Generator, prompts: list[str], seed: int, known: Neighbours, counts: Counter[str]
) -> list[Conversation]:
    """Questions, those without fault answered, the answers without fault kept."""
    questions = []
    for text in generator.write(prompts, config.question_tokens, seed, lambda _: None):
        question = LABEL.sub("", text.strip().split("\n")[0]).strip()
        fault = _fault_of_question(question, known)
        counts[fault or "questions"] += 1
        if not fault:
            known.add(question)
            questions.append(question)
    if not questions:
        return []
    rows = []
    answers = generator.write(questions, config.answer_tokens, seed + 1, lambda _: None)
    verdicts = _verdicts(config, generator, questions, answers, seed)
    for question, answer, is_right in zip(questions, answers, verdicts, strict=True):
        fault = _fault_of_answer(question, answer) or ("" if is_right else "judged_wrong")
        if fault:
            counts[fault] += 1
        else:
            rows.append(ask(question, answer.strip()))
    return rows


def _prompt(config: Config, seeds: Sequence[Conversation], randomness: random.Random) -> str:
    chosen = [row.key.strip() for row in randomness.sample(list(seeds), min(config.shown, len(seeds)))]
    if config.method == "evol-instruct":
        return (
            f"Rewrite this question: {randomness.choice(EVOLVE)}. It must stay answerable. "
            f"Reply with the new question alone.\n\n{chosen[0]}"
        )
    listed = "\n".join(f"{number}. {text}" for number, text in enumerate(chosen, 1))
    return f"Here are some questions:\n{listed}\n\nWrite one more of the same kind. Reply with the question alone."


def _fault_of_question(question: str, known: Neighbours) -> str:
    if not 3 <= len(question.split()) <= 150:
        return "question_of_odd_length"
    if REFUSALS.search(question):
        return "refusal"
    return "too_like_another" if known.find(question) is not None else ""


def _fault_of_answer(question: str, answer: str) -> str:
    text = answer.strip()
    if len(text) < 2:
        return "empty_answer"
    if REFUSALS.search(text[:200]):
        return "refusal"
    if text.lower().startswith(question.lower()[:60]) and len(text) < 1.2 * len(question):
        return "repeats_the_question"
    words = text.lower().split()
    return "repeats_itself" if len(words) > 20 and len(set(words)) < 0.3 * len(words) else ""


def _verdicts(
    config: Config, generator: Generator, questions: Sequence[str], answers: Sequence[str], seed: int
) -> list[bool]:
    if not config.judge:
        return [True] * len(questions)
    prompts = [
        f"Question: {question}\n\nAnswer: {answer}\n\nIs the answer right and complete? Reply with yes or no."
        for question, answer in zip(questions, answers, strict=True)
    ]
    said = generator.write(prompts, 4, seed + 2, lambda _: None)
    return [text.strip().lower().startswith("yes") for text in said]


def _earlier(file: Path | None) -> list[Conversation]:
    """What an interrupted writing kept; a torn last line is cut."""
    if file is None or not file.is_file():
        return []
    from executors.datasets.shapes import to_row

    rows = []
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            row = to_row(json.loads(line))
            rows += [row] if isinstance(row, Conversation) else []
    file.write_text("".join(json.dumps(to_record(r), ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return rows
