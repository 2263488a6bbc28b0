"""Prompt search: several prompts judged by the loss of the answers on a development split, the best one kept.

Successive halving (Jamieson and Talwalkar 2016): all on a few examples, the better half on twice as many. What it
measures is the training side of the data; the held-out side is never looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from executors.prompt.config import Config
from executors.prompt.file import Example, PromptFile
from executors.protocol import Inputs, Say, Stopped

if TYPE_CHECKING:
    from executors.models.load import Loaded

FIRST = 6
"""Development examples of the first round."""
SYSTEMS = (
    "",
    "Answer the question directly and briefly.",
    "Answer in exactly the same form as the examples.",
    "You are a precise reference. Give the answer and nothing else.",
    "Answer in one short sentence taken from the documentation.",
)


def candidates(prompt: PromptFile, config: Config, pool: list[Example]) -> list[PromptFile]:
    """The prompt itself first, then variants of its system text, number of examples and how they are chosen."""
    return list(dict.fromkeys([prompt, *_variants(prompt, config, pool)]))[: config.search]


def _variants(prompt: PromptFile, config: Config, pool: list[Example]) -> Iterator[PromptFile]:
    from executors.prompt.run import with_examples

    counts = [config.examples]
    if config.strategy == "few-shot":
        counts += [count for count in (2, 4, 8) if count != config.examples and count <= len(pool)]
    for count in counts:
        for choose in ("similarity", "diversity") if config.strategy == "few-shot" else ("similarity",):
            settings = config.model_copy(update={"examples": count, "choose": choose})
            yield with_examples(prompt.model_copy(update={"examples": (), "shown": 0}), settings, pool)
    for system in SYSTEMS:
        yield prompt.model_copy(update={"system": system})


def search(
    prompt: PromptFile, config: Config, inputs: Inputs, pool: list[Example], development: list[Example], say: Say
) -> PromptFile:
    """The candidate with the lowest loss. Reports each round; raises Stopped when asked to stop."""
    from executors.models.load import load_model

    if inputs.threads:
        import torch

        torch.set_num_threads(inputs.threads)
    adapter = inputs.path("adapter") if "adapter" in inputs.roles else None
    loaded = load_model(inputs.roles["model"].kind, inputs.path("model"), adapter=adapter)
    left = candidates(prompt, config, pool)
    size, done, total = min(FIRST, len(development)), 0, 2 * len(left)
    scores: dict[int, float] = {}
    while True:
        scores = {}
        for number, candidate in enumerate(left):
            if say.should_stop():
                raise Stopped
            scores[number] = _loss(candidate, loaded, development[:size])
            done += 1
            say.progress(min(done, total), total, "steps", "prompts tried")
        ranked = sorted(scores, key=lambda number: (scores[number], number))
        say.log(f"{len(left)} prompts on {size} examples: loss {scores[ranked[0]]:.4f} to {scores[ranked[-1]]:.4f}")
        if len(left) == 1 or size == len(development):
            say.metric("development_loss", scores[ranked[0]])
            return left[ranked[0]]
        left = [left[number] for number in ranked[: max(1, (len(left) + 1) // 2)]]
        size = min(len(development), 2 * size)


def _loss(prompt: PromptFile, loaded: Loaded, development: list[Example]) -> float:
    from executors.datasets.rows import ask
    from executors.metrics.answers import answer_losses, mean_loss
    from executors.prompt.asking import Asker
    from executors.prompt.encoding import encode_asked, room

    rows = [ask(pair.question, pair.answer) for pair in development]
    sequences = encode_asked(rows, Asker(prompt), loaded.tokenizer, room(loaded.model))
    return mean_loss(answer_losses(loaded.model, sequences))
