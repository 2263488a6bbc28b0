"""Efficacy, paraphrase and locality of edits (Meng et al. 2022, section 3.3), before and after.

Efficacy and paraphrase: the model continues with the new target, token for token. Locality: the token it continues a
prompt about something else with is the one from before the edit; stricter, beside it, the same for three tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executors.edit.facts import Fact
from executors.edit.model import Editable

if TYPE_CHECKING:
    import torch

CONTINUED = 3
"""Tokens of a locality prompt's continuation that are looked at."""


@dataclass(frozen=True)
class Found:
    """Shares of facts and of prompts; None where a file has none. `said`: continuations of the locality prompts."""

    efficacy: float
    paraphrase: float | None
    said: tuple[tuple[int, ...], ...]

    def locality(self, before: Found, tokens: int = 1) -> float | None:
        """Share of locality prompts continued with the same first tokens as before."""
        if not self.said:
            return None
        return sum(a[:tokens] == b[:tokens] for a, b in zip(self.said, before.said, strict=True)) / len(self.said)


def measure(editable: Editable, facts: Sequence[Fact]) -> Found:
    """What the model says of the facts now."""
    right = [_continues(editable, fact.asked, fact.target_new) for fact in facts]
    others = [_continues(editable, text, fact.target_new) for fact in facts for text in fact.paraphrases]
    near = list(dict.fromkeys(text for fact in facts for text in fact.locality))
    return Found(
        efficacy=sum(right) / len(right),
        paraphrase=sum(others) / len(others) if others else None,
        said=tuple(_greedy(editable, text) for text in near),
    )


def _continues(editable: Editable, prompt: str, target: str) -> bool:
    """Whether every token of the target is the likeliest at its place."""
    import torch

    text = prompt.rstrip() + " " + target.strip()
    start = len(editable.tokenizer(prompt.rstrip(), add_special_tokens=False)["input_ids"])
    ids, _ = editable.batch([text])
    with torch.no_grad():
        likeliest = editable.model(input_ids=ids, use_cache=False).logits[0].argmax(-1)
    return bool((likeliest[start - 1 : -1] == ids[0, start:]).all())


def _greedy(editable: Editable, prompt: str) -> tuple[int, ...]:
    import torch

    ids, _ = editable.batch([prompt.rstrip()])
    for _ in range(CONTINUED):
        with torch.no_grad():
            following: torch.Tensor = editable.model(input_ids=ids, use_cache=False).logits[0, -1].argmax()
        ids = torch.cat([ids, following.reshape(1, 1)], dim=1)
    return tuple(int(token) for token in ids[0, -CONTINUED:])
