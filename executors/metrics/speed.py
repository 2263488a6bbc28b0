"""How fast a loaded model reads and writes, and what it needs of memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from executors.datasets.render import render_prompt
from executors.datasets.rows import Message

PREFILL_TOKENS = 512
_REPEATS = 2


@dataclass(frozen=True)
class Generation:
    """A greedy answer. `tokens_per_second` counts the tokens after the first, which belongs to the reading."""

    prompt: str
    answer: str
    tokens_per_second: float


def generate(model: Any, tokenizer: Any, question: str, tokens: int, *, to_the_end: bool = False) -> Generation:
    """The greedy answer to `question` of at most `tokens` tokens, timed.

    `to_the_end`: write all of them even if the model would stop, so that rates can be compared.
    """
    import torch

    text = render_prompt((Message("user", question),), tokenizer)
    batch = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(_device(model))
    clock = _Clock()
    settings = {"max_new_tokens": tokens, "do_sample": False, "pad_token_id": tokenizer.pad_token_id or 0}
    if to_the_end:
        settings["min_new_tokens"] = tokens
    with torch.inference_mode():
        out = model.generate(**batch, **settings, logits_processor=[clock])
    end = time.perf_counter()
    written = out[0, batch["input_ids"].shape[1] :]
    rate = (len(written) - 1) / max(end - clock.first, 1e-9) if len(written) > 1 else 0.0
    return Generation(question, tokenizer.decode(written, skip_special_tokens=True).strip(), rate)


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
