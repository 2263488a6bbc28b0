"""The knowledge that ships, loaded once."""

from __future__ import annotations

import pytest

from advisor.domain.knowledge import Knowledge
from advisor.knowledge import load_knowledge


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    """Everything in `trees/`."""
    return load_knowledge()
