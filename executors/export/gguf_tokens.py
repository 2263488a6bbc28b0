"""The tokenizer of a model folder as GGUF metadata. Byte-level BPE only; anything else is refused by name.

Reads `tokenizer.json`, `tokenizer_config.json` and `chat_template.jinja`; loads no tokenizer library.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.models.gguf_tokenizer import CONTROL, PATTERNS, USER_DEFINED
from executors.tensors.folder import read_json

NORMAL, UNUSED = 1, 5
"""Token types of GGUF, beside those of control and user-defined tokens."""
_NAMED = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}


@dataclass(frozen=True)
class Vocabulary:
    """What a GGUF file says of its tokenizer."""

    tokens: list[str]
    types: list[int]
    merges: list[str]
    pre: str
    """llama.cpp's name of the way text is split before merging."""
    is_pre_known: bool
    adds_bos: bool
    named: dict[str, int]
    """GGUF's word (bos, eos, unknown, padding) -> token id."""
    chat_template: str | None


def read_vocabulary(folder: Path, rows: int) -> Vocabulary:
    """The vocabulary of the model at `folder`, filled up to the `rows` of its embedding.

    Raises AdvisorError for tokenizers of another kind and for one with more tokens than the embedding has rows.
    """
    tokenizer = read_json(folder / "tokenizer.json")
    config = read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    model = tokenizer.get("model") or {}
    if model.get("type") != "BPE" or model.get("byte_fallback") or not _is_byte_level(tokenizer):
        raise AdvisorError(
            f"the tokenizer of {folder} is not byte-level BPE",
            why="only that kind can be written to a GGUF file here",
            hint="use llama.cpp's own converter",
        )
    ids, types = _ids_and_types(tokenizer, model)
    if max(ids.values()) >= rows:
        raise AdvisorError(f"{folder} has token ids up to {max(ids.values())} for an embedding of {rows} rows")
    by_id = {number: token for token, number in ids.items()}
    pre = _pre_name(tokenizer.get("pre_tokenizer") or {})
    return Vocabulary(
        tokens=[by_id.get(number, f"[PAD{number}]") for number in range(rows)],
        types=[types.get(number, UNUSED) for number in range(rows)],
        merges=[merge if isinstance(merge, str) else " ".join(merge) for merge in model.get("merges", [])],
        pre=pre or "gpt-2",
        is_pre_known=pre is not None,
        adds_bos=_adds_bos(tokenizer.get("post_processor"), config),
        named={word: ids[token] for word, key in _NAMED.items() if (token := _text(config.get(key))) in ids},
        chat_template=_chat_template(folder, config),
    )


def _ids_and_types(tokenizer: dict[str, Any], model: dict[str, Any]) -> tuple[dict[str, int], dict[int, int]]:
    ids = {str(token): int(number) for token, number in model.get("vocab", {}).items()}
    types = dict.fromkeys(ids.values(), NORMAL)
    for added in tokenizer.get("added_tokens", []):
        ids[added["content"]] = added["id"]
        types[added["id"]] = CONTROL if added.get("special") else USER_DEFINED
    if not ids:
        raise AdvisorError("the tokenizer has no tokens")
    return ids, types


def _parts(entry: dict[str, Any] | None, key: str) -> list[dict[str, Any]]:
    """The members of a sequence, or the entry alone."""
    if not entry:
        return []
    return list(entry.get(key, [])) if entry.get("type") == "Sequence" else [entry]


def _is_byte_level(tokenizer: dict[str, Any]) -> bool:
    parts = _parts(tokenizer.get("pre_tokenizer"), "pretokenizers") + _parts(tokenizer.get("decoder"), "decoders")
    return any(part.get("type") == "ByteLevel" for part in parts)


def _pre_name(entry: dict[str, Any]) -> str | None:
    """llama.cpp's name of a pre-tokenizer, or None when it is not one of those known here."""
    parts = _parts(entry, "pretokenizers")
    kinds = [part.get("type") for part in parts]
    if kinds == ["ByteLevel"] and parts[0].get("use_regex", True):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and parts[0].get("individual_digits"):
        return "smollm"
    if kinds == ["Split", "ByteLevel"]:
        expression = (parts[0].get("pattern") or {}).get("Regex")
        return next((name for name, pattern in PATTERNS.items() if pattern == expression), None)
    return None


def _adds_bos(post: dict[str, Any] | None, config: dict[str, Any]) -> bool:
    for part in _parts(post, "processors"):
        if part.get("type") == "TemplateProcessing" and part.get("single"):
            return "SpecialToken" in part["single"][0]
    return bool(config.get("add_bos_token", False))


def _chat_template(folder: Path, config: dict[str, Any]) -> str | None:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    found = config.get("chat_template")
    return found if isinstance(found, str) else None


def _text(token: Any) -> str | None:
    """A token's text, given as text or as a table."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) else None
