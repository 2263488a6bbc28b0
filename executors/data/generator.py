"""Whoever writes new text: the endpoint that the environment names, else the teacher or model of the step itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from executors.models.endpoint import Endpoint, named_endpoint
from executors.protocol import Inputs

BATCH = 16


class Generator(Protocol):
    """What writing needs of a model."""

    name: str

    def write(self, prompts: Sequence[str], tokens: int, seed: int, done: Callable[[int], None]) -> list[str]:
        """One answer to each prompt, sampled with that seed."""
        ...


def generator_of(inputs: Inputs, temperature: float) -> Generator:
    """The generator of a step. Raises AdvisorError for an unusable endpoint or model."""
    endpoint = named_endpoint()
    if endpoint is not None:
        return _Remote(endpoint, temperature)
    return _Local(inputs, temperature)


class _Remote:
    def __init__(self, endpoint: Endpoint, temperature: float) -> None:
        self._endpoint, self._temperature, self.name = endpoint, temperature, endpoint.model

    def write(self, prompts: Sequence[str], tokens: int, seed: int, done: Callable[[int], None]) -> list[str]:
        answers = []
        for number, prompt in enumerate(prompts, 1):
            answers.append(self._endpoint.ask(prompt, tokens, self._temperature, seed + number))
            done(number)
        return answers


class _Local:
    def __init__(self, inputs: Inputs, temperature: float) -> None:
        from executors.models.load import load_model

        role = "teacher" if "teacher" in inputs.roles else "model"
        self._loaded = load_model(inputs.roles[role].kind, inputs.path(role))
        self._temperature, self.name = temperature, f"the {role}"

    def write(self, prompts: Sequence[str], tokens: int, seed: int, done: Callable[[int], None]) -> list[str]:
        import torch

        from executors.datasets.render import render_prompt
        from executors.datasets.rows import Message

        model, tokenizer = self._loaded.model, self._loaded.tokenizer
        pad, answers = tokenizer.pad_token_id or 0, []
        for at in range(0, len(prompts), BATCH):
            texts = [render_prompt((Message("user", text),), tokenizer) for text in prompts[at : at + BATCH]]
            encoded = [list(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
            longest = max(map(len, encoded))
            ids = torch.tensor([[pad] * (longest - len(row)) + row for row in encoded], device=model.device)
            mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in encoded], device=model.device)
            torch.manual_seed(seed + at)
            chosen = (
                {"do_sample": True, "temperature": self._temperature} if self._temperature else {"do_sample": False}
            )
            with torch.inference_mode():
                out = model.generate(
                    input_ids=ids, attention_mask=mask, max_new_tokens=tokens, pad_token_id=pad, **chosen
                )
            answers += [text.strip() for text in tokenizer.batch_decode(out[:, longest:], skip_special_tokens=True)]
            done(len(answers))
        return answers
