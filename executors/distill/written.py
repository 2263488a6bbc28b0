"""Learning what the teacher writes: its answers to the data's questions, or questions and answers both its own.

What was written is kept batch by batch, so that a killed step goes on after it, and stands beside the result as
`written.jsonl`. Sequence-level distillation: Kim & Rush 2016, arXiv 1606.07947. Teacher and student may have different
vocabularies.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.datasets import load
from executors.datasets.render import encode, render_prompt
from executors.datasets.rows import Conversation, Message, Preference, Row, ask
from executors.distill.config import Config
from executors.distill.filters import Pair, choose
from executors.distill.teacher import load_teacher
from executors.distill.writing import write
from executors.finetune.run import encode_data, train_sequences
from executors.models.load import Loaded, find_folder, load_tokenizer
from executors.protocol import Inputs, Say, Stopped

AT_ONCE = 16
"""Prompts that are written to together."""
FILE = "written.jsonl"
SHOWN = 3
"""Questions with answers that the teacher is shown before it writes another."""
SEED_POOL = 64

Batch = list[dict[str, Any]]


def learn_written(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Let the teacher write, then train the student on it; the data's own held-out side steers."""
    scratch = Path(inputs.scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    rows = load(config.data, "train")
    held_out = load(config.data, "held-out")
    kept = _kept(scratch / FILE)
    wanted = config.written_rows if config.form == "synthetic" else min(config.written_rows, len(rows))
    batches = -(-wanted // AT_ONCE)
    if len(kept) < batches:
        teacher = load_teacher(config, inputs, say)
        make = _answers if config.form == "text" else _pairs
        for number in range(len(kept), batches):
            if say.should_stop():
                raise Stopped
            count = min(AT_ONCE, wanted - number * AT_ONCE)
            kept.append(_drawn(inputs.seed + number, partial(make, config, teacher, rows, number, count)))
            with (scratch / FILE).open("a") as file:
                file.write(json.dumps(kept[-1]) + "\n")
            say.progress(min(wanted, (number + 1) * AT_ONCE), wanted, "rows", "written by the teacher")
        del teacher
    pairs = [Pair(**pair) for batch in kept for pair in batch]
    say.metric("written_rows", len(pairs))
    chosen, dropped = choose(pairs, held_out, config.form == "synthetic", config.similarity, config.kept_share)
    for reason, count in dropped.items():
        say.metric(f"dropped_{reason}", count)
    say.metric("learnt_rows", len(chosen))
    _train(config, inputs, chosen, out, say)


def _train(config: Config, inputs: Inputs, chosen: Sequence[Pair], out: Path, say: Say) -> None:
    if not chosen:
        raise AdvisorError(
            "nothing that the teacher wrote can be learnt",
            why="every row was unfinished, repeated itself, or was known already",
            hint="raise new_tokens or written_rows, lower sampling, or take a stronger teacher",
        )
    tokenizer = load_tokenizer(find_folder(inputs.path("model")))
    sequences = encode([ask(pair.question, pair.answer) for pair in chosen], tokenizer, config.seq_len)
    train_sequences(config, inputs, sequences, encode_data(config, inputs, say)[1], out, say)
    lines = "".join(json.dumps({"question": pair.question, "answer": pair.answer}) + "\n" for pair in chosen)
    (out / FILE).write_text(lines)


def _answers(config: Config, teacher: Loaded, rows: Sequence[Row], number: int, count: int) -> Batch:
    """The teacher's answers to the next questions of the data."""
    asked = [_messages(row) for row in rows[number * AT_ONCE : number * AT_ONCE + count]]
    found = _write(config, teacher, [render_prompt(messages, teacher.tokenizer) for messages in asked])
    questions = [messages[-1].content for messages in asked]
    return [{"question": q, "answer": a, "is_ended": e} for q, (a, e) in zip(questions, found, strict=True)]


def _pairs(config: Config, teacher: Loaded, rows: Sequence[Row], number: int, count: int) -> Batch:
    """New questions in the manner of some of the data's, and the teacher's answers to them.

    The teacher continues a conversation of shown questions and answers where the next question would stand: as
    Self-Instruct shows tasks (Wang et al. 2022, arXiv 2212.10560, section 2.2), as Magpie lets the chat template ask
    (Xu et al. 2024, arXiv 2406.08464, section 2).
    """
    import random

    from executors.metrics.answers import answer_losses

    draw = random.Random(number)
    pool = rows[:SEED_POOL]
    prompts = [_opening([pool[i] for i in draw.sample(range(len(pool)), min(SHOWN, len(pool)))], teacher.tokenizer)
               for _ in range(count)]  # fmt: skip
    questions = [text for text, _ in _write(config, teacher, prompts)]
    asked = [render_prompt((Message("user", question),), teacher.tokenizer) for question in questions]
    answers = _write(config, teacher, asked)
    batch: Batch = [{"question": q, "answer": a, "is_ended": e} for q, (a, e) in zip(questions, answers, strict=True)]
    rated = [pair for pair in batch if pair["question"] and pair["answer"]]
    if rated:
        sequences = encode([ask(p["question"], p["answer"]) for p in rated], teacher.tokenizer, config.seq_len)
        losses = answer_losses(teacher.model, sequences)
        for sequence, (total, tokens) in zip(sequences, losses, strict=True):
            rated[sequence.row]["loss"] = total / tokens
    return batch


def _write(config: Config, teacher: Loaded, prompts: Sequence[str]) -> list[tuple[str, bool]]:
    tokenizer = teacher.tokenizer
    ids = tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
    found = write(teacher.model, tokenizer.pad_token_id or 0, ids, config.new_tokens, config.sampling)
    texts = tokenizer.batch_decode([one.ids for one in found], skip_special_tokens=True)
    return [(text.strip(), one.is_ended) for text, one in zip(texts, found, strict=True)]


def _opening(shown: Sequence[Row], tokenizer: Any) -> str:
    """Shown questions and answers as one conversation, up to where the next question begins."""
    turns: list[Message] = []
    for row in shown:
        turns += _turn(row)
    marker = "\0next\0"
    text = render_prompt((*turns, Message("user", marker)), tokenizer)
    return text[: text.index(marker)]


def _turn(row: Row) -> list[Message]:
    asked = _messages(row)[-1]
    if isinstance(row, Preference):
        return [asked, Message("assistant", row.chosen)]
    assert isinstance(row, Conversation)
    return [asked, next(m for m in row.messages if m.role == "assistant")]


def _messages(row: Row) -> tuple[Message, ...]:
    """What is said before the first answer."""
    if isinstance(row, Preference):
        return row.prompt
    assert isinstance(row, Conversation)
    first = next(n for n, message in enumerate(row.messages) if message.role == "assistant")
    return row.messages[:first]


def _drawn(seed: int, make: Callable[[], Batch]) -> Batch:
    """`make` under a seed of its own, so that what comes after an interruption is what would have come without."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def _kept(file: Path) -> list[Batch]:
    """Whole lines of what was written before an interruption; a torn last line goes."""
    if not file.is_file():
        return []
    lines = file.read_text().split("\n")[:-1]
    file.write_text("".join(f"{line}\n" for line in lines))
    return [json.loads(line) for line in lines]
