"""Tests of executors.export.parity."""

from __future__ import annotations

from math import log

import pytest
import torch

from advisor.domain.errors import AdvisorError, ExitCode
from executors.export.parity import Limits, Parity, compare, require


def test_divergence_by_hand() -> None:
    """p = (1/2, 1/2), q = (1/4, 3/4): KL is 1/2 log 2 + 1/2 log 2/3; the first choices agree on a tie's first."""
    p = torch.tensor([[0.5, 0.5]]).log()
    q = torch.tensor([[0.25, 0.75]]).log()
    found = compare([p], [q])
    assert found.kl == pytest.approx(0.5 * log(2) + 0.5 * log(2 / 3), rel=1e-5)
    assert found.top1 == 0.0
    assert found.max_diff == pytest.approx(log(2), rel=1e-5)
    assert found.tokens == 1


def test_a_model_is_like_itself() -> None:
    """Equal logits, in several prompts, diverge by nothing and always agree."""
    logits = [torch.randn(5, 11), torch.randn(3, 11)]
    assert compare(logits, logits) == Parity(kl=0.0, top1=1.0, max_diff=0.0, tokens=8)


def test_other_vocabularies_are_refused() -> None:
    """Logits of different width cannot be compared."""
    with pytest.raises(AdvisorError, match="vocabularies differ: 7 and 8"):
        compare([torch.zeros(2, 7)], [torch.zeros(2, 8)])


@pytest.mark.parametrize(
    "parity", [Parity(0.2, 1.0, 1.0, 9), Parity(0.0, 0.5, 1.0, 9), Parity(float("nan"), 1.0, 1.0, 9)]
)
def test_a_bad_likeness_fails(parity: Parity) -> None:
    """Too much divergence, too little agreement, and NaN each fail the step."""
    with pytest.raises(AdvisorError) as caught:
        require(parity, Limits(kl=0.1, top1=0.9), "the file")
    assert caught.value.code is ExitCode.RUN_FAILED
    require(Parity(0.05, 0.95, 1.0, 9), Limits(kl=0.1, top1=0.9), "the file")
