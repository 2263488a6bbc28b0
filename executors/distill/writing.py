"""Letting a model write: answers to prompts of token ids, sampled or greedy, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Written(NamedTuple):
    """What was written to one prompt, the end token included where there is one."""

    ids: list[int]
    is_ended: bool


def write(model: Any, pad: int, prompts: Sequence[Sequence[int]], new_tokens: int, sampling: float) -> list[Written]:
    """At most `new_tokens` ids to each prompt. `sampling`: temperature; 0 takes the likeliest token each time.

    Draws from torch's own generator. The model's mode (training or not) is put back.
    """
    import torch

    longest = max(len(prompt) for prompt in prompts)
    device = model.device
    # On the left: every answer must follow its prompt directly.
    ids = torch.tensor([[pad] * (longest - len(p)) + list(p) for p in prompts], device=device)
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=device)
    choice: dict[str, Any] = {"do_sample": False}
    if sampling > 0:
        choice = {"do_sample": True, "temperature": sampling, "top_p": 0.95, "top_k": 0}
    ends = _end_tokens(model)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        out = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=new_tokens, pad_token_id=pad, use_cache=True, **choice
        )
    model.train(was_training)
    return [_cut(row, ends) for row in out[:, longest:].tolist()]


def _cut(ids: list[int], ends: set[int]) -> Written:
    for number, token in enumerate(ids):
        if token in ends:
            return Written(ids[: number + 1], True)
    return Written(ids, False)


def _end_tokens(model: Any) -> set[int]:
    found = model.generation_config.eos_token_id
    if found is None:
        found = model.config.get_text_config().eos_token_id
    return set(found) if isinstance(found, list) else {found} if found is not None else set()
