"""A fast tokenizer from the vocabulary inside a GGUF file. Byte-level BPE only; anything else is refused by name."""

from __future__ import annotations

from typing import Any

from advisor.domain.errors import AdvisorError
from executors.models.gguf_file import GgufFile

CONTROL, USER_DEFINED = 3, 4
"""Token types of GGUF: a control token is never text; a user-defined one is matched whole but is text."""
_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS = {"llama-bpe": _LETTERS + r"\p{N}{1,3}" + _REST, "qwen2": _LETTERS + r"\p{N}" + _REST}
"""Pre-tokenizers that split by an expression, by their GGUF name."""
PRE_TOKENIZERS = ("smollm", "gpt-2", *PATTERNS)


def read_tokenizer(gguf: GgufFile) -> Any:
    """A `PreTrainedTokenizerFast` equal to the one the model was trained with.

    Raises AdvisorError for a vocabulary that is not byte-level BPE or splits text in an unknown way.
    """
    from tokenizers import AddedToken, Tokenizer, decoders
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    model, pre = gguf.get("tokenizer.ggml.model", str), gguf.metadata.get("tokenizer.ggml.pre", "gpt-2")
    if model != "gpt2" or pre not in PRE_TOKENIZERS:
        raise AdvisorError(
            f"the tokenizer of {gguf.path} cannot be rebuilt",
            why=f"it is {model}/{pre}; known are gpt2 with {', '.join(PRE_TOKENIZERS)}",
        )
    tokens = gguf.get("tokenizer.ggml.tokens", list)
    merges = [tuple(merge.split(" ", 1)) for merge in gguf.get("tokenizer.ggml.merges", list)]
    if len(set(tokens)) != len(tokens) or any(len(merge) != 2 for merge in merges):
        raise AdvisorError(f"the vocabulary of {gguf.path} is damaged", why="repeated tokens or broken merges")
    tokenizer = Tokenizer(BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = _pre_tokenizer(pre)
    tokenizer.decoder = decoders.ByteLevel()
    types = gguf.metadata.get("tokenizer.ggml.token_type") or [1] * len(tokens)
    special = [t for t, kind in zip(tokens, types, strict=False) if kind == CONTROL]
    whole = [t for t, kind in zip(tokens, types, strict=False) if kind == USER_DEFINED]
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in whole])
    limit = gguf.metadata.get(f"{gguf.metadata.get('general.architecture')}.context_length")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=limit, **_named(gguf, tokens))
    fast.chat_template = gguf.metadata.get("tokenizer.chat_template")
    return fast


def _named(gguf: GgufFile, tokens: list[str]) -> dict[str, str]:
    """The tokens with a role: bos, eos, unk, pad."""
    keys = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    numbers = {role: gguf.metadata.get(f"tokenizer.ggml.{key}_token_id") for role, key in keys.items()}
    return {role: tokens[n] for role, n in numbers.items() if isinstance(n, int) and n < len(tokens)}


def _pre_tokenizer(pre: str) -> Any:
    from tokenizers import Regex, pre_tokenizers

    if pre == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    if pre == "gpt-2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    split = pre_tokenizers.Split(Regex(PATTERNS[pre]), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
