"""Checks that a technique can be reached by somebody, and that what is called executable is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from advisor.domain.knowledge import Knowledge
from advisor.domain.words import ArtifactKind
from advisor.knowledge.finding import Finding


def executable(knowledge: Knowledge, executors: Path) -> Iterator[Finding]:
    """An executor that is named has a module; a technique without one says why. Nothing is imported."""
    for technique in knowledge.techniques:
        path = f"techniques/{technique.id}.yaml"
        if technique.executor is None:
            if technique.role == "step" and not technique.why_not:
                tip = "name its executor, or say why it has none"
                yield Finding(level="error", path=path, message="neither executor nor why_not", tip=tip)
        elif technique.why_not:
            yield Finding(
                level="error", path=path, message="both executor and why_not", tip="keep the one that is true"
            )
        elif not _is_module(executors.joinpath(*technique.executor.split("."))):
            message = f"there is no module executors.{technique.executor}"
            yield Finding(level="error", path=path, message=message, tip="correct the name, or say why_not instead")


def _is_module(path: Path) -> bool:
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def opened(knowledge: Knowledge) -> Iterator[Finding]:
    """Some answer or rule offers every technique; one that nothing offers can never be recommended.

    Not asked of what follows from a chosen step: its supports, and folding in the adapter it leaves.
    """
    offered = {t for q in knowledge.tree.questions for choice in q.choices for t in choice.techniques}
    offered |= {t for rule in knowledge.rules if rule.effect in ("choose", "support") for t in rule.techniques}
    for technique in knowledge.techniques:
        follows = technique.role == "support" or ArtifactKind.ADAPTER in technique.consumes
        if technique.id not in offered and not follows:
            path = f"techniques/{technique.id}.yaml"
            tip = "add it to a choice in questions.yaml, or to a rule of effect choose or support"
            yield Finding(level="error", path=path, message="no answer and no rule offers it", tip=tip)
