"""Whether two models say the same: their next-token distributions on a few fixed prompts.

Measured on logits, so that a difference shows long before a generated text differs. It judges likeness to the
original, not quality.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError, ExitCode
from executors.protocol import Say

if TYPE_CHECKING:
    import torch

PROMPTS = (
    "The capital of France is Paris, and the capital of Italy is Rome. Both cities lie on a river.",
    "def mean(values):\n    total = 0\n    for v in values:\n        total += v\n    return total / len(values)",
    "Question: A train leaves at 9:40 and arrives at 11:05. How long is the journey?\nAnswer: 1 hour and 25 minutes.",
    "Dear team, thank you for the report. Please send the corrected figures for March by Friday. Kind regards",
)


RELOADED = 2**30
"""Bytes, unpacked to 16 bits, up to which a result is loaded whole to be checked, and longer texts are compared."""


@dataclass(frozen=True)
class Parity:
    """How far a candidate is from its reference, over `tokens` predictions."""

    kl: float
    """Mean Kullback-Leibler divergence of the candidate from the reference, nats per token."""
    top1: float
    """Share of tokens where both name the same most likely next token."""
    max_diff: float
    """Largest absolute difference of any logit."""
    tokens: int


@dataclass(frozen=True)
class Limits:
    """What a form may lose before it counts as broken."""

    kl: float
    top1: float
    greedy: float = 0.0
    """Share of greedy tokens that must be the same before the texts part; 0 for forms that round."""


def prompt_ids(folder: Path) -> list[torch.Tensor]:
    """The prompts as ids [length] under the model's own tokenizer."""
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    return [torch.tensor(tokenizer(text, add_special_tokens=False).input_ids) for text in PROMPTS]


def model_logits(model: Any, prompts: list[torch.Tensor]) -> list[torch.Tensor]:
    """Logits [length, vocabulary] in 32 bits of a loaded causal language model."""
    import torch

    model.eval()
    with torch.no_grad():
        return [model(ids.unsqueeze(0).to(model.device)).logits[0].float().cpu() for ids in prompts]


def spoken(model: Any, prompts: list[torch.Tensor], count: int) -> list[torch.Tensor]:
    """The prompts with `count` more tokens each, always those that a loaded model finds likeliest."""
    import torch

    model.eval()
    texts = []
    with torch.no_grad():
        for ids in prompts:
            text, feed, past = ids, ids, None
            for _ in range(count):
                out = model(feed.unsqueeze(0).to(model.device), past_key_values=past, use_cache=True)
                past, feed = out.past_key_values, out.logits[0, -1:].argmax(-1).cpu()
                text = torch.cat((text, feed))
            texts.append(text)
    return texts


def compare(reference: list[torch.Tensor], candidate: list[torch.Tensor]) -> Parity:
    """Parity of two lists of logits [length, vocabulary]. Raises AdvisorError when the vocabularies differ."""
    divergence = agreed = largest = 0.0
    tokens = 0
    for expected, found in zip(reference, candidate, strict=True):
        if expected.shape != found.shape:
            raise AdvisorError(
                f"the vocabularies differ: {expected.shape[-1]} and {found.shape[-1]} entries", code=ExitCode.RUN_FAILED
            )
        log_p, log_q = expected.log_softmax(-1), found.log_softmax(-1)
        divergence += float((log_p.exp() * (log_p - log_q)).sum())
        agreed += int((expected.argmax(-1) == found.argmax(-1)).sum())
        largest = max(largest, float((expected - found).abs().max()))
        tokens += len(expected)
    return Parity(divergence / tokens, agreed / tokens, largest, tokens)


def report(parity: Parity, say: Say) -> None:
    """Say the parity as metrics."""
    say.metric("parity_kl", parity.kl, "nats")
    say.metric("parity_top1", parity.top1)
    say.metric("parity_max_logit_difference", parity.max_diff)


def require(parity: Parity, limits: Limits, what: str) -> None:
    """Raise AdvisorError when the candidate lost more than its form may."""
    if parity.kl <= limits.kl and parity.top1 >= limits.top1:
        return
    raise AdvisorError(
        f"{what} does not say the same as the model it was made from",
        why=f"divergence {parity.kl:.4f} nats (at most {limits.kl}), "
        f"same first choice for {parity.top1:.1%} of tokens (at least {limits.top1:.0%})",
        hint="choose a milder form, or keep the model as it was",
        code=ExitCode.RUN_FAILED,
    )
