"""The value of a fact: the hidden state behind the subject under which the model says the new target.

ROME, section 3.1 (equation 4): a change of the layer's output at the subject's last token is found by gradient, over
the prompt behind several beginnings, while what the model says of the subject itself stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from executors.edit.facts import Fact
from executors.edit.model import Editable, fast, output_changed

if TYPE_CHECKING:
    import torch

BEGINNINGS = ("", "The fact is that ", "Everyone knows it. ", "As I said before, ", "Question and answer. ")
"""Texts put before a prompt, so that the value holds in other places than its own sentence."""
ESSENCE = "{} is a"
GOOD_ENOUGH = 0.9
"""Probability of the target at which the search ends."""


@dataclass(frozen=True)
class Search:
    """Settings of the search for a value."""

    steps: int = 25
    learning_rate: float = 0.5
    clamp: float = 4.0
    keep: float = 0.0625
    decay: float = 0.002


def find_value(editable: Editable, fact: Fact, layer: int, search: Search) -> tuple[torch.Tensor, float]:
    """The change [width] of the layer's output at the subject's last token, and the target's probability under it."""
    import torch

    target = fact.target_new if fact.asked.endswith((" ", "\n")) else " " + fact.target_new.strip()
    prompts = [beginning + fact.asked for beginning in BEGINNINGS]
    essence = ESSENCE.replace("{}", fact.subject)
    texts = [*(prompt + target for prompt in prompts), essence]
    ids, mask = editable.batch(texts)
    ends = [editable.subject_end(text, fact.subject) for text in texts]
    starts = [len(editable.tokenizer(prompt, add_special_tokens=False)["input_ids"]) for prompt in prompts]
    delta = torch.zeros(editable.model.config.hidden_size, requires_grad=True)
    optimizer = torch.optim.Adam([delta], lr=search.learning_rate)
    lengths, before = _unchanged(editable, ids, mask, layer, ends)
    limit = search.clamp * lengths
    probability = 0.0
    for step in range(search.steps + 1):
        logits = _logits(editable, ids, mask, layer, ends, delta)
        loss, probability = _target_loss(logits, ids, mask, starts)
        if step == search.steps or probability > GOOD_ENOUGH:
            break
        now = logits[-1, int(mask[-1].sum()) - 1].log_softmax(-1)
        kept = torch.nn.functional.kl_div(now, before, log_target=True, reduction="sum")
        total = loss + search.keep * kept + search.decay * delta.norm() ** 2 / lengths**2
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        with torch.no_grad():
            delta.mul_(min(1.0, float(limit / delta.norm().clamp_min(1e-9))))
    return delta.detach(), probability


def _logits(
    editable: Editable, ids: torch.Tensor, mask: torch.Tensor, layer: int, ends: list[int], delta: torch.Tensor
) -> torch.Tensor:
    import torch

    rows = torch.arange(len(ends))
    columns = torch.tensor(ends)

    def change(hidden: torch.Tensor) -> torch.Tensor:
        moved = hidden.clone()
        moved[rows, columns] = hidden[rows, columns] + delta
        return moved

    with output_changed(editable.layers[layer], change), fast():
        return editable.model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float()


def _unchanged(
    editable: Editable, ids: torch.Tensor, mask: torch.Tensor, layer: int, ends: list[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Length of the hidden state behind the subject, and what the model says of the subject itself, unchanged."""
    import torch

    seen: list[torch.Tensor] = []

    def see(hidden: torch.Tensor) -> torch.Tensor:
        seen.append(hidden[0, ends[0]].norm())
        return hidden

    with torch.no_grad(), output_changed(editable.layers[layer], see), fast():
        logits = editable.model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float()
    return seen[0], logits[-1, int(mask[-1].sum()) - 1].log_softmax(-1)


def _target_loss(
    logits: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, starts: list[int]
) -> tuple[torch.Tensor, float]:
    """Mean loss of the target's tokens behind each beginning, and the mean probability of a target's token."""
    import torch

    losses = []
    for row, start in enumerate(starts):
        end = int(mask[row].sum())
        logs = logits[row, start - 1 : end - 1].log_softmax(-1)
        losses.append(-logs.gather(1, ids[row, start:end].unsqueeze(1)).mean())
    loss = torch.stack(losses).mean()
    return loss, float(torch.exp(-torch.stack([x.detach() for x in losses])).mean())
