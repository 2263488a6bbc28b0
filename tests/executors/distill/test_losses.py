"""Tests of the losses on matrices small enough to check by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, softmax

from executors.distill.losses import jensen_shannon, layer_pairs, mixed_loss, soft_loss, state_loss

STUDENT = torch.tensor([[1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 3.0]])
TEACHER = STUDENT.flip(0)
TARGETS = torch.tensor([0, 1, 2, 3])


def test_soft_loss_is_the_sum_of_p_log_p_over_q() -> None:
    """Four positions over four words, at temperature 2, written out."""
    p, q = softmax(TEACHER / 2, -1), softmax(STUDENT / 2, -1)
    assert float(soft_loss(STUDENT, TEACHER, 2.0)) == pytest.approx(4 * float((p * (p / q).log()).sum()), rel=1e-5)
    assert float(soft_loss(STUDENT, STUDENT, 2.0)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_mix_is_linear(share: float) -> None:
    """A share of the teacher's term and the rest of the labels'."""
    wanted = share * soft_loss(STUDENT, TEACHER, 1.0) + (1 - share) * cross_entropy(STUDENT, TARGETS, reduction="sum")
    torch.testing.assert_close(mixed_loss(STUDENT, TEACHER, TARGETS, 1.0, share), wanted)


def test_jensen_shannon_has_its_limits() -> None:
    """At its ends it is the forward and the reverse divergence, in the middle symmetric and at most log 2."""
    forward, reverse = soft_loss(STUDENT, TEACHER, 1.0), soft_loss(TEACHER, STUDENT, 1.0)
    torch.testing.assert_close(jensen_shannon(STUDENT, TEACHER, 0.0, 1.0), forward)
    torch.testing.assert_close(jensen_shannon(STUDENT, TEACHER, 1.0, 1.0), reverse)
    middle = jensen_shannon(STUDENT, TEACHER, 0.5, 1.0)
    torch.testing.assert_close(middle, jensen_shannon(TEACHER, STUDENT, 0.5, 1.0))
    assert 0 < float(middle) < 4 * math.log(2)
    p, q = softmax(TEACHER, -1), softmax(STUDENT, -1)
    mixture = 0.25 * p + 0.75 * q
    wanted = 0.25 * (p * (p / mixture).log()).sum() + 0.75 * (q * (q / mixture).log()).sum()
    torch.testing.assert_close(jensen_shannon(STUDENT, TEACHER, 0.25, 1.0), wanted)


def test_state_loss_is_relative() -> None:
    """Scaling both models' states changes nothing; equal states cost nothing."""
    assert float(state_loss(STUDENT, STUDENT)) == 0
    torch.testing.assert_close(state_loss(STUDENT, TEACHER), state_loss(10 * STUDENT, 10 * TEACHER))
    assert float(state_loss(torch.zeros(4, 4), TEACHER)) == pytest.approx(4)


def test_layers_follow_in_proportion_or_where_they_were_cut() -> None:
    """Four of eight follow every second; a student cut from the teacher stands in for what was removed behind it."""
    assert layer_pairs(4, 8) == [(0, 1), (1, 3), (2, 5), (3, 7)]
    assert layer_pairs(4, 4) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert layer_pairs(3, 5, [0, 1, 4]) == [(0, 0), (1, 3), (2, 4)]
    assert layer_pairs(3, 5, [0, 1]) == layer_pairs(3, 5)
