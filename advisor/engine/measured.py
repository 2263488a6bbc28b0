"""What a plan measures of the baseline and after every step: the same held-out set, and what else is at stake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from advisor.domain.facts import Facts
from advisor.domain.plan import EvaluationSpec
from advisor.domain.technique import Technique
from advisor.domain.words import ArtifactKind, DataKind
from advisor.engine.learned_data import BUILTIN, REFERENCE, data_of, general_data, second_data

ASKED_WITH = (ArtifactKind.INDEX, ArtifactKind.PROMPT)
"""What stands beside the model when it is asked."""
_CPU_EVALUATION = {"max_examples": 64, "multiple_choice": 50, "generate_tokens": 32}
_GPU_EVALUATION = {"max_examples": 128, "multiple_choice": 100, "generate_tokens": 64}
_CPU_ANSWERS, _GPU_ANSWERS = 40, 100
"""Held-out questions answered in full when a prompt or an index is measured."""
_CPU_CALLS, _GPU_CALLS = 48, 200
"""Held-out requests for tools that are answered in full."""
_CPU_FOLLOWING, _GPU_FOLLOWING = 24, 60
"""Requests whose fulfilment a rule can check."""

_CPU_SAFETY, _GPU_SAFETY = 24, 48
"""Harmful requests, and as many harmless ones that look alike."""
_CPU_REWARDS, _GPU_REWARDS = 48, 128
"""Prompts whose answers a program checks."""
_PROBE_TEXTS = 12
"""General texts whose loss shows what is forgotten where no general data is named."""


def evaluation_of(
    facts: Facts, techniques: Sequence[Technique], beside: set[ArtifactKind], tells_dates: bool
) -> EvaluationSpec:
    """The same held-out set for every step, asked as the first training asks; less of it where it is on a CPU.

    Where a step puts something beside the model, answers are written out and compared as well. General data and the
    data of a second phase have their loss measured beside the main one.
    """
    config: dict[str, Any] = dict(_GPU_EVALUATION if facts.has_gpu else _CPU_EVALUATION)
    config["seq_len"] = min(facts.data_seq_len or 512, 512 if not facts.has_gpu else 2048)
    trained = [t for t in techniques if t.role == "step" and t.data is not None and t.data.use == "train"]
    data = data_of(facts, trained[0].data if trained else None, tells_dates)
    if data is None or data["kind"] == DataKind.FACTS:
        # Facts to correct are measured by the edit itself; here it is what else the model still knows.
        data = {"path": BUILTIN, "kind": DataKind.TEXT.value, "held_out": 0.1}
    if data["path"] != BUILTIN:
        config["multiple_choice"] = 0
    if beside.intersection(ASKED_WITH):
        config["answers"] = _GPU_ANSWERS if facts.has_gpu else _CPU_ANSWERS
    if ArtifactKind.INDEX in beside:
        config["questions"] = _GPU_ANSWERS if facts.has_gpu else _CPU_ANSWERS
    if data["kind"] == DataKind.TOOL_CALLS:
        config["tool_calls"] = _GPU_CALLS if facts.has_gpu else _CPU_CALLS
    if any(t.watches_instructions for t in trained):
        config["following"] = _GPU_FOLLOWING if facts.has_gpu else _CPU_FOLLOWING
    if any(t.watches_safety for t in techniques):
        config["safety"] = _GPU_SAFETY if facts.has_gpu else _CPU_SAFETY
    if data["kind"] == DataKind.REWARDS or any(t.gate_on == "mean_reward" for t in techniques):
        config["rewards"] = _GPU_REWARDS if facts.has_gpu else _CPU_REWARDS
    probes = _probes(facts, trained)
    return EvaluationSpec(config={"data": data, **config, **({"probes": probes} if probes else {})})


def _probes(facts: Facts, trained: Sequence[Technique]) -> dict[str, Any]:
    """Further data whose held-out loss is followed: what must not be forgotten, what a second phase learns."""
    found = {
        "general": (general_data(facts) or _untouched(facts)) if trained else None,
        "instruction": second_data(facts) if any(t.then is not None for t in trained) else None,
    }
    return {name: probe for name, probe in found.items() if probe is not None}


def _untouched(facts: Facts) -> dict[str, Any] | None:
    """General text that the training does not read, to see by it what is forgotten; none when it reads just that."""
    if facts.data_path == REFERENCE:
        return None
    return {"path": REFERENCE, "kind": DataKind.TEXT.value, "held_out": 0.1, "max_examples": _PROBE_TEXTS}
