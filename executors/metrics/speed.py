"""How fast a loaded model reads and writes, and what it needs of memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from executors.datasets.render import render_prompt
from executors.datasets.rows import Message

PREFILL_TOKENS = 512
_REPEATS = 2


def answer(model: Any, tokenizer: Any, questions: Sequence[str], tokens: int) -> list[str]:
    """The greedy answers of at most `tokens` tokens, all written together."""
    texts = [render_prompt((Message("user", question),), tokenizer) for question in questions]
    return answer_prompts(model, tokenizer, texts, tokens)


def answer_prompts(model: Any, tokenizer: Any, prompts: Sequence[str], tokens: int) -> list[str]:
    """The greedy answers to prompts that are rendered already, all written together."""
    import torch

    encoded = tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
    longest = max(len(ids) for ids in encoded)
    pad = tokenizer.pad_token_id or 0
    # On the left: every answer must follow its question directly.
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in encoded], device=_device(model))
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in encoded], device=_device(model))
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=tokens, do_sample=False, pad_token_id=pad
        )
    return [text.strip() for text in tokenizer.batch_decode(out[:, longest:], skip_special_tokens=True)]


def generation_rate(model: Any, tokenizer: Any, question: str, tokens: int) -> float:
    """Tokens per second while writing `tokens` tokens (at least two), one after another, after the first.

    The model may not stop early, so that rates of different models can be compared.
    """
    import torch

    text = render_prompt((Message("user", question),), tokenizer)
    batch = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(_device(model))
    count = max(2, tokens)
    clock = _Clock()
    with torch.inference_mode():
        model.generate(
            **batch,
            min_new_tokens=count,
            max_new_tokens=count,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id or 0,
            logits_processor=[clock],
        )
    return (count - 1) / max(time.perf_counter() - clock.first, 1e-9)


def prefill_rate(model: Any, tokenizer: Any) -> float:
    """Tokens per second while reading a prompt of 512 tokens; the better of two runs."""
    import torch

    limit = getattr(model.config.get_text_config(), "max_position_embeddings", PREFILL_TOKENS) or PREFILL_TOKENS
    count = min(PREFILL_TOKENS, limit)
    ids = (torch.arange(count) % max(1, min(len(tokenizer), 1000))).unsqueeze(0).to(_device(model))
    best = float("inf")
    with torch.inference_mode():
        for _ in range(_REPEATS):
            start = time.perf_counter()
            model(input_ids=ids, use_cache=False, logits_to_keep=1).logits.sum().item()
            best = min(best, time.perf_counter() - start)
    return count / best


def peak_memory_gib() -> float:
    """The most this process has held: of the GPU where there is one, else resident memory. GiB."""
    import resource
    import sys

    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_reserved()) / 2**30
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


class _Clock:
    """Notes when the first token is about to be chosen."""

    def __init__(self) -> None:
        self.first = 0.0

    def __call__(self, _: Any, scores: Any) -> Any:
        self.first = self.first or time.perf_counter()
        return scores


def _device(model: Any) -> Any:
    return next(model.parameters()).device
