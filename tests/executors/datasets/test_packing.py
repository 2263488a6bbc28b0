"""Texts put together to full sequences."""

from __future__ import annotations

from executors.datasets.packing import pack, padding_share
from executors.datasets.render import Encoded


def test_nothing_is_lost_and_nothing_is_padded() -> None:
    """Every token is kept in its order, and all sequences but the last are full."""
    texts = [Encoded([n] * (n + 1), [n] * (n + 1), n) for n in range(1, 9)]
    packed = pack(texts, set(range(1, 9)), 10)
    assert [token for s in packed for token in s.ids] == [token for s in texts for token in s.ids]
    assert {len(s.ids) for s in packed[:-1]} == {10}
    assert all(s.labels == s.ids for s in packed)
    assert padding_share([len(s.ids) for s in packed], 4) < padding_share([len(s.ids) for s in texts], 4)


def test_conversations_stay_apart() -> None:
    """What is no text is left as it is."""
    answer = Encoded([1, 2, 3], [-100, 2, 3], 0)
    assert pack([answer, Encoded([4, 4], [4, 4], 1)], {1}, 8) == [answer, Encoded([4, 4], [4, 4], 1)]


def test_padding_is_counted_by_batches_of_like_length() -> None:
    """Two batches of two rows, each padded to its own longest."""
    assert padding_share([1, 2, 3, 4], 2) == 1 - 10 / 12
