"""How far a student is from its teacher: plain tensor functions without input or output, sums over positions.

Soft targets: Hinton et al. 2015, arXiv 1503.02531, section 2. Generalized Jensen-Shannon divergence: Agarwal et al.
2023 (GKD), arXiv 2306.13649, section 2. Hidden states: Romero et al. 2014 (FitNets), arXiv 1412.6550, section 2.2, here
relative to the length of the teacher's state, so that layers of any scale weigh the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def soft_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """T^2 KL(teacher || student) of logits [positions, vocabulary] softened by T, summed over positions, nats."""
    from torch.nn.functional import kl_div, log_softmax

    ours = log_softmax(student.float() / temperature, dim=-1)
    theirs = log_softmax(teacher.float() / temperature, dim=-1)
    return kl_div(ours, theirs, reduction="sum", log_target=True) * temperature**2


def mixed_loss(
    student: torch.Tensor, teacher: torch.Tensor, targets: torch.Tensor, temperature: float, share: float
) -> torch.Tensor:
    """`share` of the soft loss and the rest of the cross-entropy with the labels [positions], summed."""
    from torch.nn.functional import cross_entropy

    total = student.new_zeros((), dtype=student.float().dtype)
    if share > 0:
        total = total + share * soft_loss(student, teacher, temperature)
    if share < 1:
        total = total + (1 - share) * cross_entropy(student.float(), targets, reduction="sum")
    return total


def jensen_shannon(student: torch.Tensor, teacher: torch.Tensor, beta: float, temperature: float) -> torch.Tensor:
    """beta KL(teacher || mixture) + (1 - beta) KL(student || mixture), mixture = beta teacher + (1 - beta) student.

    At its ends, where that vanishes, the limits: beta 0 is KL(teacher || student), beta 1 KL(student || teacher).
    Logits [positions, vocabulary] softened by the temperature; summed over positions, nats.
    """
    import math

    import torch
    from torch.nn.functional import kl_div, log_softmax

    ours = log_softmax(student.float() / temperature, dim=-1)
    theirs = log_softmax(teacher.float() / temperature, dim=-1)
    if beta == 0:
        return kl_div(ours, theirs, reduction="sum", log_target=True)
    if beta == 1:
        return kl_div(theirs, ours, reduction="sum", log_target=True)
    mixture = torch.logaddexp(theirs + math.log(beta), ours + math.log1p(-beta))
    from_teacher = kl_div(mixture, theirs, reduction="sum", log_target=True)
    from_student = kl_div(mixture, ours, reduction="sum", log_target=True)
    return beta * from_teacher + (1 - beta) * from_student


def state_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Squared distance of hidden states [positions, width] over the teacher's squared length, summed over positions."""
    ours, theirs = student.float(), teacher.float()
    lengths = theirs.square().sum(-1).clamp_min(1e-6)
    return ((ours - theirs).square().sum(-1) / lengths).sum()


def layer_pairs(student: int, teacher: int, kept: list[int] | None = None) -> list[tuple[int, int]]:
    """Which layer of the teacher each layer of the student follows: (student, teacher), both from 0.

    `kept`: the teacher's layers that the student was cut from. A student's layer then also stands in for the removed
    ones behind it, so it follows the last of those; without it, layers follow in proportion.
    """
    if kept is not None and len(kept) == student and kept[-1] < teacher:
        ends = [*(number - 1 for number in kept[1:]), teacher - 1]
        return list(zip(range(student), ends, strict=True))
    return [(layer, round((layer + 1) * teacher / student) - 1) for layer in range(student)]
