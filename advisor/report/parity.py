"""How far each artifact says the same as the model it was made from: logits, greedy text, chat template, end token."""

from __future__ import annotations

from advisor.domain.parity import ParityRecord
from advisor.domain.run_report import RunReport
from advisor.report.document import Block, Bullet, Bullets, Heading, Paragraph, Table

_COLUMNS = ("step", "divergence", "same first choice", "greedy tokens alike", "chat template", "end token")
_NOTE = (
    "Each against the model it was made from, on the same prompts: mean divergence of the next-token probabilities "
    "(Kullback-Leibler, nats; at most what stands in brackets), and how often both name the same next token."
)
_LONGEST = 60


def parity_blocks(report: RunReport) -> list[Block]:
    """A table with a row per artifact that was compared, and the greedy texts; nothing when none was."""
    found = [(f"{step.number} {step.technique}", step.parity) for step in report.steps if step.parity is not None]
    if not found:
        return []
    table = Table(_COLUMNS, tuple(_row(name, parity) for name, parity in found), frozenset({1, 2, 3}))
    texts = tuple(Bullet(f"{name} against {parity.against}", _texts(parity)) for name, parity in found if parity.greedy)
    return [Heading("Parity"), Paragraph(_NOTE), table, *([Bullets(texts)] if texts else [])]


def _row(name: str, parity: ParityRecord) -> tuple[str, ...]:
    share = parity.greedy_share
    return (
        name,
        f"{parity.kl:.4f} ({parity.kl_limit:g})",
        f"{parity.top1:.1%} ({parity.top1_limit:.0%})",
        "-" if share is None else f"{share:.0%}",
        parity.template,
        parity.end,
    )


def _texts(parity: ParityRecord) -> tuple[str, ...]:
    return tuple(
        f"{_short(one.prompt)} -> {_short(one.text)}: "
        + ("the same" if one.same == one.tokens else f"the same for {one.same} of {one.tokens} tokens")
        for one in parity.greedy
    )


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _LONGEST else f"... {plain[-_LONGEST:]}"
