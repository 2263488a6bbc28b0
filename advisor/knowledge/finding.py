"""`Finding`: something in the knowledge files that contradicts itself, with what to do about it."""

from __future__ import annotations

from typing import Literal

from advisor.domain.base import Frozen


class Finding(Frozen):
    """`path` names file and entry, e.g. `interactions.yaml default/prune-finetune`."""

    level: Literal["error", "warning"]
    path: str
    message: str
    tip: str = ""
