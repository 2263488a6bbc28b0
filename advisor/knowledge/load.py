"""`load_knowledge`: everything in `trees/` as one `Knowledge`, from the compiled cache where that is still true.

It reads, it does not judge: contradictions between entries are found by `advisor.knowledge.lint`.
"""

from __future__ import annotations

from pathlib import Path

from advisor.domain.knowledge import Knowledge
from advisor.knowledge import cache


def load_knowledge(root: Path | None = None) -> Knowledge:
    """The knowledge under `root` (default: the `trees` package that is installed).

    Raises AdvisorError naming file, line, entry and nearest valid key when a file is wrong.
    """
    root = bundled_root() if root is None else root
    key = cache.key_of(root)
    knowledge = cache.read(root, key)
    if knowledge is None:
        # Only a cold start pays for YAML.
        from advisor.knowledge.assemble import assemble

        knowledge = assemble(root)
        cache.write(root, key, knowledge)
    return knowledge


def bundled_root() -> Path:
    """The folder of the `trees` package."""
    import trees

    return Path(trees.__path__[0])
