"""Facts to ask "would it fit here?" of, where there are no answers: this machine and the size or name of a model."""

from __future__ import annotations

import re

from advisor.domain.answers import Answers
from advisor.domain.errors import AdvisorError
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.profiles import HardwareProfile
from advisor.domain.words import Goal

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([bm]?)", re.IGNORECASE)


def facts_for_model(knowledge: Knowledge, hardware: HardwareProfile, text: str) -> Facts:
    """Facts of a model given as `8`, `8B`, `135M`, a hub id or a folder, on this hardware.

    The goal is not known, so rules about goals must not be asked of these facts. Raises AdvisorError for text that is
    neither a size above zero nor a model.
    """
    from advisor.engine.facts import build_facts
    from advisor.runs.advise import model_of

    words = text.strip()
    size = _SIZE.fullmatch(words)
    if not words or (size is not None and float(size[1]) == 0):
        raise AdvisorError(f"{words!r} is no size of a model", hint="billions of parameters such as 8, or a hub id")
    model: dict[str, float | str] = {"id": words}
    if size is not None:
        model = {"params_b": float(size[1]) / (1000 if size[2].lower() == "m" else 1)}
    answers = Answers.model_validate({"goal": Goal.BEHAVIOR, "model": model})
    return build_facts(knowledge, answers, hardware, model_of(answers, knowledge), None)
