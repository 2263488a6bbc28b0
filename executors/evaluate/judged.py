"""Alignment measured: preferred answers, marked answers, checked answers, refusals. Each with its value per example."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.domain.run import Evaluation, Metric
from executors.datasets import safety
from executors.datasets.render import render_prompt
from executors.datasets.rows import Conversation, Feedback, Message, Preference, Row, Task
from executors.evaluate.config import Config
from executors.metrics.generate import complete
from executors.metrics.preferences import ranked_above, score_marked, score_pairs
from executors.metrics.rewards import reward
from executors.models.load import Loaded
from executors.protocol import Say

REWARD_TOKENS, REFUSAL_TOKENS = 32, 40


def measure_judged(config: Config, loaded: Loaded, rows: Sequence[Row], found: Evaluation, say: Say) -> Evaluation:
    """The evaluation with what the kind of data, and the settings, ask for."""
    pairs = [row for row in rows if isinstance(row, Preference)]
    marked = [row for row in rows if isinstance(row, Feedback)]
    tasks = [row for row in rows if isinstance(row, Task)][: config.rewards]
    if pairs:
        found = _preferred(config, loaded, pairs, found, say)
    if len({row.is_good for row in marked}) == 2:
        found = _ranked(config, loaded, marked, found, say)
    if tasks:
        found = _checked(loaded, tasks, found, say)
    return _refused(config, loaded, rows, found, say) if config.safety else found


def learnable(rows: Sequence[Row]) -> list[Row]:
    """Rows whose answer is a good one: the loss of a bad answer says nothing."""
    return [row for row in rows if not isinstance(row, Feedback) or row.is_good]


def _preferred(config: Config, loaded: Loaded, pairs: Sequence[Preference], found: Evaluation, say: Say) -> Evaluation:
    """Loss, margin per token, accuracy, and the margin of whole answers, whose change from the baseline is the margin
    against the baseline as the reference (Rafailov et al. 2023, section 4)."""
    total = 2 * len(pairs)
    scores = list(
        score_pairs(
            loaded.model, loaded.tokenizer, pairs, config.seq_len,
            lambda done: say.progress(done, total, "examples", "preferences"),
        ).values()
    )  # fmt: skip
    if not scores:
        return found
    found = add(found, "preference_loss", "nats", False, [s.loss for s in scores])
    found = add(found, "preference_margin", "nats/token", True, [s.margin for s in scores])
    found = add(found, "preference_accuracy", "share", True, [float(s.margin > 0) for s in scores])
    return add(found, "whole_margin", "nats", True, [s.whole_margin for s in scores])


def _ranked(config: Config, loaded: Loaded, rows: Sequence[Feedback], found: Evaluation, say: Say) -> Evaluation:
    total = len(rows)
    scores = score_marked(
        loaded.model, loaded.tokenizer, rows, config.seq_len,
        lambda done: say.progress(done, total, "examples", "marked answers"),
    )  # fmt: skip
    good = [score for number, score in scores.items() if rows[number].is_good]
    bad = [score for number, score in scores.items() if not rows[number].is_good]
    if not good or not bad:
        return found
    middle = sum(bad) / len(bad)
    found = add(found, "feedback_margin", "nats/token", True, [score - middle for score in good])
    return add(found, "feedback_accuracy", "share", True, ranked_above(good, bad))


def _checked(loaded: Loaded, tasks: Sequence[Task], found: Evaluation, say: Say) -> Evaluation:
    total = len(tasks)
    prompts = [render_prompt(task.prompt, loaded.tokenizer) for task in tasks]
    answers = complete(
        loaded, prompts, REWARD_TOKENS, lambda done: say.progress(done, total, "examples", "checked answers")
    )
    values = [reward(task.check, answer, task.answer) for task, answer in zip(tasks, answers, strict=True)]
    return add(found, "mean_reward", "share", True, values)


def _refused(config: Config, loaded: Loaded, rows: Sequence[Row], found: Evaluation, say: Say) -> Evaluation:
    """How often harmful requests are refused, and harmless ones that sound alike."""
    own = [row for row in rows if isinstance(row, Conversation) and row.messages[-1].role == "assistant"]
    sides: dict[bool, list[tuple[Message, ...]]] = {True: [], False: []}
    for row in (*safety.load(is_held_out=True), *own):
        sides[safety.is_refusal(row.messages[-1].content)].append(row.messages[:-1])
    for name, is_harmful, higher in (("refusal_rate", True, True), ("over_refusal", False, False)):
        asked = sides[is_harmful][: config.safety]
        prompts = [render_prompt(turns, loaded.tokenizer) for turns in asked]
        say.progress(0, len(asked), "examples", f"{'harmful' if is_harmful else 'harmless'} requests")
        answers = complete(loaded, prompts, REFUSAL_TOKENS)
        found = add(found, name, "share", higher, [float(safety.is_refusal(answer)) for answer in answers])
    return found


def add(found: Evaluation, name: str, unit: str, higher: bool, values: Sequence[float]) -> Evaluation:
    """The evaluation with one more metric: the mean of its values."""
    metric = Metric(name=name, value=sum(values) / len(values), unit=unit, higher_is_better=higher)
    per_example = {**found.per_example, name: tuple(values)}
    return found.model_copy(update={"metrics": (*found.metrics, metric), "per_example": per_example})
