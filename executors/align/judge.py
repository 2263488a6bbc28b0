"""A judge: a model that says which of two answers keeps to a principle better, and that criticises and revises.

The local model judges by default. Any endpoint that speaks the protocol of OpenAI's chat completions does when
ADVISOR_JUDGE_URL and ADVISOR_JUDGE_MODEL are set (ADVISOR_JUDGE_KEY for its key): from the environment alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from executors.datasets.render import encode, render_prompt
from executors.datasets.rows import Conversation, Message
from executors.models.endpoint import JUDGE, Endpoint, named_endpoint
from executors.models.load import Loaded

Done = Callable[[int], None]


class Judge(Protocol):
    """What feedback by a model needs of one."""

    name: str

    def write(self, prompts: Sequence[str], tokens: int, done: Done) -> list[str]:
        """An answer to each prompt."""
        ...

    def prefer(self, questions: Sequence[tuple[str, str, str]], done: Done) -> list[float]:
        """For each (question, first answer, second answer) how sure the judge is of the first, 0 to 1."""
        ...


def question_of(principle: str, asked: str, first: str, second: str) -> str:
    """The question of which answer keeps to a principle better."""
    return (
        f"Principle: {principle}\n\nQuestion: {asked}\n\nAnswer A: {first}\n\nAnswer B: {second}\n\n"
        "Which answer keeps to the principle better? Reply with A or B alone."
    )


class LocalJudge:
    """The loaded model as its own judge: the likelihood of `A` against `B`, both orders of the answers averaged."""

    def __init__(self, loaded: Loaded, name: str) -> None:
        self._loaded, self.name = loaded, name

    def write(self, prompts: Sequence[str], tokens: int, done: Done) -> list[str]:
        from executors.metrics.generate import complete

        rendered = [render_prompt((Message("user", prompt),), self._loaded.tokenizer) for prompt in prompts]
        return complete(self._loaded, rendered, tokens, done)

    def prefer(self, questions: Sequence[tuple[str, str, str]], done: Done) -> list[float]:
        import math

        from executors.metrics.answers import answer_losses

        rows = []
        for asked, first, second in questions:
            principle, _, rest = asked.partition("\n")
            for pair in ((first, second), (second, first)):
                text = question_of(principle, rest, *pair)
                rows += [Conversation((Message("user", text), Message("assistant", letter))) for letter in "AB"]
        sequences = encode(rows, self._loaded.tokenizer, 4096)
        found = answer_losses(self._loaded.model, sequences)
        losses = {sequence.row: loss for sequence, (loss, _) in zip(sequences, found, strict=True)}
        done(len(questions))
        sure = []
        for at in range(0, len(rows), 4):
            ahead = [losses[at + 1] - losses[at], losses[at + 2] - losses[at + 3]]
            sure.append(sum(1 / (1 + math.exp(-max(-60.0, min(60.0, value)))) for value in ahead) / 2)
        return sure


class EndpointJudge:
    """A model behind an endpoint. Raises AdvisorError when it cannot be reached or answers nothing usable."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self.name = endpoint, endpoint.model

    def write(self, prompts: Sequence[str], tokens: int, done: Done) -> list[str]:
        answers = []
        for number, prompt in enumerate(prompts, 1):
            answers.append(self._endpoint.ask(prompt, tokens))
            done(number)
        return answers

    def prefer(self, questions: Sequence[tuple[str, str, str]], done: Done) -> list[float]:
        sure = []
        for number, (asked, first, second) in enumerate(questions, 1):
            principle, _, rest = asked.partition("\n")
            votes = [
                self._endpoint.ask(question_of(principle, rest, *pair), 4).strip().upper()[:1]
                for pair in ((first, second), (second, first))
            ]
            points = {"A": (1.0, 0.0), "B": (0.0, 1.0)}
            sure.append((points.get(votes[0], (0.5, 0.5))[0] + points.get(votes[1], (0.5, 0.5))[1]) / 2)
            done(number)
        return sure


def named_judge() -> EndpointJudge | None:
    """The judge that the environment names; None when it names none. Raises AdvisorError for one that is not usable."""
    endpoint = named_endpoint(JUDGE)
    return EndpointJudge(endpoint) if endpoint is not None else None
