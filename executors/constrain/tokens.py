"""The bytes of each token of a tokenizer, as one matrix that an automaton can be run over at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError

if TYPE_CHECKING:
    import numpy

LONGEST_TOKEN = 32
"""Bytes. Longer tokens (runs of spaces, rules of dashes) are left out: shorter ones spell them."""
PADDING = 256


@dataclass(frozen=True)
class TokenBytes:
    """`ids[n]` is a token whose bytes are `rows[n]`, padded with 256. Special tokens are not among them."""

    ids: numpy.ndarray  # int64 [tokens]
    rows: numpy.ndarray  # int16 [tokens, LONGEST_TOKEN]
    by_id: dict[int, bytes]
    vocabulary: int


def token_bytes(tokenizer: Any, vocabulary: int) -> TokenBytes:
    """The bytes of every ordinary token. `vocabulary`: columns of the model's logits.

    Raises AdvisorError for a tokenizer whose tokens cannot be read as bytes, or that lacks bytes of its own.
    """
    import numpy

    decode = _decoder(tokenizer)
    special = set(tokenizer.all_special_ids)
    found: dict[int, bytes] = {}
    for text, number in tokenizer.get_vocab().items():
        if number not in special and number < vocabulary:
            raw = decode(text)
            if raw and len(raw) <= LONGEST_TOKEN:
                found[number] = raw
    single = {raw for raw in found.values() if len(raw) == 1}
    if len(single) < 95:
        raise AdvisorError(
            "this tokenizer cannot be decoded under a constraint",
            why=f"it has tokens of their own for {len(single)} bytes only",
        )
    ids = numpy.array(sorted(found), dtype=numpy.int64)
    rows: numpy.ndarray = numpy.full((len(ids), LONGEST_TOKEN), PADDING, dtype=numpy.int16)
    for position, number in enumerate(ids.tolist()):
        raw = found[number]
        rows[position, : len(raw)] = list(raw)
    return TokenBytes(ids, rows, found, vocabulary)


def _decoder(tokenizer: Any) -> Any:
    """How a token's text becomes bytes: by the byte-to-character table of GPT-2, or as SentencePiece writes it."""
    try:
        described = json.dumps(json.loads(tokenizer.backend_tokenizer.to_str()).get("decoder"))
    except (AttributeError, ValueError) as error:
        raise AdvisorError("this tokenizer cannot be decoded under a constraint", why=str(error)[:200]) from None
    if "ByteLevel" in described:
        table = {character: byte for byte, character in byte_characters().items()}

        def from_characters(text: str) -> bytes:
            return bytes(table[c] for c in text) if all(c in table for c in text) else b""

        return from_characters

    def from_pieces(text: str) -> bytes:
        if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
            return bytes([int(text[3:5], 16)])
        return text.replace("\u2581", " ").encode("utf-8", "ignore")

    return from_pieces


def byte_characters() -> dict[int, str]:
    """The printable character that stands for each byte in byte-level vocabularies (Radford et al. 2019)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    found = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in found]
    return {**found, **{byte: chr(256 + number) for number, byte in enumerate(others)}}
