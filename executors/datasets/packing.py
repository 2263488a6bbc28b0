"""Texts put together to full sequences, as in pre-training: no token is padding. A pure function of sequences.

One text follows another behind its end-of-text token, and attention may look back across it (Brown et al. 2020, B:
"multiple documents are packed into a single sequence"). Conversations are never put together here: their answers would
see other people's questions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from executors.datasets.render import Encoded


def pack(sequences: Sequence[Encoded], texts: Collection[int], seq_len: int) -> list[Encoded]:
    """The sequences whose row is in `texts` joined and cut to `seq_len` tokens, the others as they are.

    Every token is kept; only the last sequence may be shorter.
    """
    ids: list[int] = []
    first: list[int] = []
    packed: list[Encoded] = []
    for sequence in sequences:
        if sequence.row not in texts:
            packed.append(sequence)
            continue
        ids += sequence.ids
        first += [sequence.row] * len(sequence.ids)
    for at in range(0, len(ids), seq_len):
        window = ids[at : at + seq_len]
        if len(window) > 1:
            packed.append(Encoded(window, list(window), first[at]))
    return packed


def padding_share(lengths: Sequence[int], batch: int) -> float:
    """Share of padding when sequences of like length are batched, 0 to 1."""
    ordered = sorted(lengths)
    padded = sum(len(ordered[at : at + batch]) * ordered[at : at + batch][-1] for at in range(0, len(ordered), batch))
    return 1 - sum(ordered) / padded if padded else 0.0
