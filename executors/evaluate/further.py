"""What is measured beside the main loss: losses on other data, calls of tools, whether instructions are followed."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.domain.run import Evaluation, Metric
from executors.datasets import load
from executors.datasets.render import encode, render_prompt
from executors.datasets.rows import Conversation, Message
from executors.evaluate.config import Config
from executors.metrics.answers import answer_losses, row_losses
from executors.metrics.following import REQUESTS, is_followed
from executors.metrics.generate import complete
from executors.metrics.tool_calls import is_same_call
from executors.models.load import Loaded
from executors.protocol import Say

CALL_TOKENS, FOLLOWING_TOKENS = 160, 64


def measure_further(config: Config, loaded: Loaded, found: Evaluation, say: Say) -> Evaluation:
    """The evaluation with the metrics that the settings ask for, each with its value per example."""
    for name in config.probes:
        found = _probed(name, config, loaded, found, say)
    if config.tool_calls:
        found = _called(config, loaded, found, say)
    if config.following:
        found = _followed(config, loaded, found, say)
    return found


def _probed(name: str, config: Config, loaded: Loaded, found: Evaluation, say: Say) -> Evaluation:
    rows = load(config.probes[name], "held-out")[: config.max_examples]
    sequences = encode(rows, loaded.tokenizer, config.seq_len)
    total = len(sequences)
    losses = answer_losses(loaded.model, sequences, lambda done: say.progress(done, total, "examples", f"{name} loss"))
    by_row = row_losses(sequences, losses)
    return _with(found, f"{name}_loss", by_row.mean, "nats/token", False, by_row.per_row, by_row.weights)


def _called(config: Config, loaded: Loaded, found: Evaluation, say: Say) -> Evaluation:
    """Share of requests answered by exactly the wanted calls, or by none where none is wanted."""
    held_out = load(config.data, "held-out")
    rows = [row for row in held_out if isinstance(row, Conversation) and row.tools][: config.tool_calls]
    if not rows:
        return found
    prompts = [render_prompt(_before(row), loaded.tokenizer, row.tools) for row in rows]
    total = len(rows)
    answers = complete(
        loaded, prompts, CALL_TOKENS, lambda done: say.progress(done, total, "examples", "calls of tools")
    )
    right = [float(is_same_call(text, _wanted(row))) for text, row in zip(answers, rows, strict=True)]
    return _with(found, "tool_exact_match", sum(right) / len(right), "share", True, right)


def _followed(config: Config, loaded: Loaded, found: Evaluation, say: Say) -> Evaluation:
    asked = REQUESTS[: config.following]
    total = len(asked)
    prompts = [render_prompt((request.message,), loaded.tokenizer) for request in asked]
    answers = complete(
        loaded, prompts, FOLLOWING_TOKENS, lambda done: say.progress(done, total, "examples", "following instructions")
    )
    right = [float(is_followed(request, text)) for request, text in zip(asked, answers, strict=True)]
    return _with(found, "instruction_following", sum(right) / len(right), "share", True, right)


def _before(row: Conversation) -> tuple[Message, ...]:
    """The turns up to the first answer of the assistant."""
    at = next(number for number, message in enumerate(row.messages) if message.role == "assistant")
    return row.messages[:at]


def _wanted(row: Conversation) -> str:
    return next(message.calls for message in row.messages if message.role == "assistant")


def _with(
    found: Evaluation,
    name: str,
    value: float,
    unit: str,
    is_better_higher: bool,
    per_example: Sequence[float],
    weights: Sequence[float] = (),
) -> Evaluation:
    metric = Metric(name=name, value=value, unit=unit, higher_is_better=is_better_higher)
    update = {
        "metrics": (*found.metrics, metric),
        "per_example": {**found.per_example, name: tuple(per_example)},
        "weights": {**found.weights, **({name: tuple(weights)} if weights else {})},
    }
    return found.model_copy(update=update)
