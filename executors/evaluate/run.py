"""Runs one evaluation and writes `evaluation.json`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from advisor.domain.run import Evaluation, Metric
from advisor.domain.words import ArtifactKind
from executors.artifact import write_durably
from executors.datasets import load, load_multiple_choice
from executors.datasets.render import Encoded, encode
from executors.datasets.rows import Conversation, Row, Text
from executors.evaluate.asked import asker_of, written_answers
from executors.evaluate.config import Config
from executors.evaluate.further import measure_further
from executors.evaluate.judged import learnable, measure_judged
from executors.metrics.answers import answer_losses, row_losses
from executors.metrics.multiple_choice import score_choices
from executors.metrics.speed import answer, generation_rate, peak_memory_gib, prefill_rate
from executors.models.load import Loaded, load_model
from executors.prompt.asking import Asker
from executors.prompt.encoding import encode_asked, room
from executors.prompt.writing import Writer
from executors.protocol import Inputs, Say

SAMPLES = 3
SAMPLE_TOKENS = 32
FILE = "evaluation.json"


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Measure `inputs.model` (with `inputs.adapter` on top, if given) and write `evaluation.json` below `out`.

    Raises AdvisorError when the model or the data cannot be used.
    """
    if inputs.threads:
        import torch

        torch.set_num_threads(inputs.threads)
    adapter = inputs.path("adapter") if "adapter" in inputs.roles else None
    loaded = load_model(inputs.roles["model"].kind, inputs.path("model"), adapter=adapter)
    asker = asker_of(inputs)
    found = Evaluation()
    if not config.questions or "index" not in inputs.roles:
        # With an index the model is as it was: only what the index changes is measured.
        rows = load(config.data, "held-out")[: config.max_examples]
        found = _losses(config, loaded, asker, learnable(rows), say)
        found = _choices(config, loaded, asker, found, say)
        found = measure_judged(config, loaded, rows, found, say)
        found = measure_further(config, loaded, found, say)
        found = _speed(config, loaded, asker, rows, found, say)
        found = written_answers(config, loaded, asker, rows, found, say)
    if config.questions:
        from executors.evaluate.questions import ask_questions

        found = ask_questions(config, loaded, asker, found, say)
    notes = [*found.notes, *_notes(inputs)]
    cost = (
        Metric(name="peak_memory", value=peak_memory_gib(), unit="GiB", higher_is_better=False),
        Metric(name="bytes_on_disk", value=loaded.bytes, unit="bytes", higher_is_better=False),
    )
    found = found.model_copy(update={"metrics": (*found.metrics, *cost), "notes": tuple(notes)})
    for metric in found.metrics:
        say.metric(metric.name, metric.value, metric.unit)
    write_durably(out / FILE, found.model_dump_json(indent=2).encode() + b"\n")


def _losses(config: Config, loaded: Loaded, asker: Asker, rows: Sequence[Row], say: Say) -> Evaluation:
    """Loss and perplexity of the answers. A row cut into several sequences counts as one example."""
    sequences = _encoded(config, loaded, asker, rows)
    total = len(sequences)
    losses = answer_losses(loaded.model, sequences, lambda done: say.progress(done, total, "examples", "held-out loss"))
    by_row = row_losses(sequences, losses)
    left_out = len(rows) - len(by_row.per_row)
    return Evaluation(
        metrics=(
            Metric(name="held_out_loss", value=by_row.mean, unit="nats/token", higher_is_better=False),
            Metric(name="held_out_perplexity", value=math.exp(min(by_row.mean, 700.0)), higher_is_better=False),
        ),
        per_example={"held_out_loss": by_row.per_row},
        weights={"held_out_loss": by_row.weights},
        notes=(f"{left_out} held-out rows have no answer within {config.seq_len} tokens",) if left_out else (),
    )


def _encoded(config: Config, loaded: Loaded, asker: Asker, rows: Sequence[Row]) -> list[Encoded]:
    """Through a prompt the room is what the model reads, so that what it puts before an answer cuts nothing off."""
    if asker.is_plain:
        return encode(rows, loaded.tokenizer, config.seq_len)
    return encode_asked(rows, asker, loaded.tokenizer, room(loaded.model))


def _choices(config: Config, loaded: Loaded, asker: Asker, found: Evaluation, say: Say) -> Evaluation:
    questions = load_multiple_choice(config.data)[: config.multiple_choice] if config.multiple_choice else []
    if not questions:
        return found
    total = sum(len(question.choices) for question in questions)
    right = score_choices(
        loaded.model,
        loaded.tokenizer,
        questions,
        lambda done: say.progress(done, total, "examples", "multiple choice"),
        None if asker.is_plain else lambda rows: encode_asked(rows, asker, loaded.tokenizer, room(loaded.model)),
    )
    accuracy = Metric(name="accuracy", value=sum(right) / len(right), unit="share", higher_is_better=True)
    return found.model_copy(
        update={
            "metrics": (*found.metrics, accuracy),
            "per_example": {**found.per_example, "accuracy": tuple(right)},
        }
    )


def _speed(
    config: Config, loaded: Loaded, asker: Asker, rows: Sequence[Row], found: Evaluation, say: Say
) -> Evaluation:
    if not config.generate_tokens:
        return found
    say.progress(0, None, "tokens", "generation")
    asked = [_question(row) for row in rows[:SAMPLES]]
    if asker.is_plain:
        answers = answer(loaded.model, loaded.tokenizer, asked, SAMPLE_TOKENS)
    else:
        answers = [written.answer for written in Writer(loaded, asker).answer(asked, SAMPLE_TOKENS)]
    written = generation_rate(loaded.model, loaded.tokenizer, asked[0], config.generate_tokens)
    read = prefill_rate(loaded.model, loaded.tokenizer)
    rates = (
        Metric(name="generation", value=written, unit="tokens/s", higher_is_better=True),
        Metric(name="prefill", value=read, unit="tokens/s", higher_is_better=True),
    )
    samples = tuple({"prompt": question, "answer": said} for question, said in zip(asked, answers, strict=True))
    return found.model_copy(update={"metrics": (*found.metrics, *rates), "samples": samples})


def _question(row: Row) -> str:
    """What to ask of the model for a sample."""
    if isinstance(row, Conversation):
        return next((message.content for message in row.messages if message.role == "user"), row.messages[0].content)
    return row.text[:200] if isinstance(row, Text) else row.prompt[-1].content


def _notes(inputs: Inputs) -> list[str]:
    if inputs.roles["model"].kind != ArtifactKind.GGUF:
        return []
    return ["the GGUF weights were decoded and run by torch: memory and speed are not those of llama.cpp"]
