"""`ParityRecord`: how far an artifact says the same as the model it was made from."""

from __future__ import annotations

from typing import Literal

from advisor.domain.base import Lenient


class Greedy(Lenient):
    """What a model says to a prompt when it always takes the likeliest token, and how far its copy says the same."""

    prompt: str
    text: str
    """The continuation by the one of both that was asked for it."""
    same: int
    """Tokens until the other departs from it; all of them when it never does."""
    tokens: int


class ParityRecord(Lenient):
    """`parity.json` in an artifact: how far it says the same as the model it was made from."""

    against: str
    """Name of the model it is compared with."""
    kl: float
    """Mean Kullback-Leibler divergence, nats per token."""
    kl_limit: float
    top1: float
    """Share of tokens with the same likeliest next token."""
    top1_limit: float
    max_difference: float
    """Largest difference of any logit."""
    tokens: int
    greedy: tuple[Greedy, ...] = ()
    template: Literal["same", "none", "differs"] = "none"
    """none: neither has a chat template."""
    end: Literal["same", "none", "differs"] = "none"
    """The token that ends an answer."""

    @property
    def greedy_share(self) -> float | None:
        """Share of greedy tokens that both say before they part."""
        total = sum(text.tokens for text in self.greedy)
        return sum(text.same for text in self.greedy) / total if total else None
