"""Greedy answers to many prompts, in batches of like length."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from executors.models.load import Loaded

BATCH_TOKENS = 4096
"""Padded tokens of prompts written on together."""


def complete(
    loaded: Loaded, prompts: Sequence[str], tokens: int, after_batch: Callable[[int], None] = lambda done: None
) -> list[str]:
    """The greedy continuation of each rendered prompt, at most `tokens` tokens, special tokens left out.

    The batches depend on the prompts alone, so that a model is asked alike before and after a step.
    """
    import torch

    if not prompts:
        return []
    model, tokenizer = loaded.model, loaded.tokenizer
    device = next(model.parameters()).device
    encoded = [list(ids) for ids in tokenizer(list(prompts), add_special_tokens=False)["input_ids"]]
    order = sorted(range(len(encoded)), key=lambda number: (-len(encoded[number]), number))
    pad = tokenizer.pad_token_id or 0
    answers = [""] * len(encoded)
    done = 0
    while done < len(order):
        longest = max(1, len(encoded[order[done]]))
        chosen = order[done : done + max(1, BATCH_TOKENS // (longest + tokens))]
        # On the left: every answer must follow its prompt directly.
        rows = [[pad] * (longest - len(encoded[n])) + encoded[n] for n in chosen]
        masks = [[0] * (longest - len(encoded[n])) + [1] * len(encoded[n]) for n in chosen]
        with torch.inference_mode():
            out = model.generate(
                input_ids=torch.tensor(rows, device=device),
                attention_mask=torch.tensor(masks, device=device),
                max_new_tokens=tokens,
                do_sample=False,
                pad_token_id=pad,
            )
        texts = tokenizer.batch_decode(out[:, longest:], skip_special_tokens=True)
        for number, text in zip(chosen, texts, strict=True):
            answers[number] = text.strip()
        done += len(chosen)
        after_batch(done)
    return answers
