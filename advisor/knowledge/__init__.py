"""The knowledge in `trees/`, read, checked and typed. It holds no knowledge of its own and decides nothing."""

from advisor.knowledge.load import load_knowledge

__all__ = ["load_knowledge"]
