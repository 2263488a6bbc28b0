"""`lint`: do the entries of the knowledge agree with one another? It finds; it mends nothing and stops nothing.

What one file can show by itself (keys, types, double ids) is refused when the files are read.
"""

from __future__ import annotations

from pathlib import Path

from advisor.domain.knowledge import Knowledge
from advisor.knowledge import checks_pairs, checks_references, checks_techniques, checks_tree
from advisor.knowledge.finding import Finding

__all__ = ["Finding", "lint"]


def lint(knowledge: Knowledge, executors: Path | None = None) -> list[Finding]:
    """Every contradiction in `knowledge`. `executors`: folder of the executor modules (default: the one beside)."""
    executors = Path(__file__).resolve().parents[2] / "executors" if executors is None else executors
    return [
        *checks_references.sources(knowledge),
        *checks_references.techniques(knowledge),
        *checks_references.conditions(knowledge),
        *checks_tree.vocabulary(knowledge),
        *checks_tree.links(knowledge.tree),
        *checks_tree.keys(knowledge.tree),
        *checks_pairs.answered_once(knowledge),
        *checks_pairs.evidence_given(knowledge),
        *checks_pairs.orders_agree(knowledge),
        *checks_pairs.sides_differ(knowledge),
        *checks_techniques.executable(knowledge, executors),
        *checks_techniques.opened(knowledge),
    ]
