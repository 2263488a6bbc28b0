"""Soft prompts that begin from real words instead of noise."""

from __future__ import annotations

from typing import Any

from advisor.domain.errors import AdvisorError


def begin_from_text(model: Any, tokenizer: Any, text: str) -> None:
    """Set the vectors of a PEFT soft prompt to what `text` is to the model.

    Prompt tuning: the embeddings of its words (Lester et al. 2021, section 3.2). Prefixes: their keys and values in
    every layer (Li and Liang 2021, section 7.4), exactly, also through the network that a prefix is learnt through.
    """
    import torch

    config = model.peft_config["default"]
    ids = _ids(tokenizer, text, config.num_virtual_tokens).to(model.device)
    encoder = model.prompt_encoder["default"]
    base = model.get_base_model()
    with torch.no_grad():
        if config.peft_type.value == "PROMPT_TUNING":
            encoder.embedding.weight.copy_(base.get_input_embeddings()(ids)[0])
            return
        wanted = _keys_and_values(base, ids)
        if not config.prefix_projection:
            encoder.embedding.weight.copy_(wanted)
            return
        last = encoder.transform[-1]
        hidden = encoder.transform[:-1](encoder.embedding.weight)
        # As many unknowns as the network is wide, as many equations as there are tokens: the smallest exact solution.
        middle = wanted.mean(0)
        last.bias.copy_(middle)
        last.weight.copy_((torch.linalg.pinv(hidden.float()) @ (wanted - middle).float()).T)


def _ids(tokenizer: Any, text: str, count: int) -> Any:
    """`count` token ids of the text, repeated when it is short: int [1, count]."""
    import torch

    ids = tokenizer(text, add_special_tokens=False)["input_ids"] if text.strip() else []
    if not ids:
        raise AdvisorError("a soft prompt needs words to begin from", hint="give data with text in it")
    return torch.tensor([(ids * (count // len(ids) + 1))[:count]])


def _keys_and_values(base: Any, ids: Any) -> Any:
    """What every layer holds for these tokens, as PEFT lays a prefix out: float [tokens, layers * 2 * heads * size]."""
    import torch

    was_training = base.training
    base.eval()
    cache = base(input_ids=ids, use_cache=True).past_key_values
    base.train(was_training)
    parts = []
    for layer in cache.layers:
        for part in (layer.keys, layer.values):
            parts.append(part[0].permute(1, 0, 2).reshape(ids.shape[1], -1).float())
    return torch.cat(parts, dim=1)
