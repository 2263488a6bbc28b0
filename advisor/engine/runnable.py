"""Whether a step of the stack can be executed here as the answers stand, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.domain.facts import Facts
from advisor.domain.technique import Technique
from advisor.domain.words import ArtifactKind, DataKind
from advisor.engine import learned_data, serving, sharing

_OF_TEXT = (DataKind.TEXT, DataKind.DOCUMENTS)
"""One row of these may be a whole book."""


def why_not(
    config: Mapping[str, Any], technique: Technique, facts: Facts, start: ArtifactKind = ArtifactKind.CAUSAL_LM
) -> str:
    """Why a technique in this configuration cannot be executed here; empty when it can.

    `start`: what the steps before it leave of the model.
    """
    if technique.executor is None:
        return technique.why_not or "it has no executor in this version."
    if not serving.is_written_here(dict(config)):
        if config.get("type", "Q8_0") not in serving.WRITTEN_HERE:
            return f"this version writes {', '.join(sorted(serving.WRITTEN_HERE))}, not {config['type']}."
        return f"this version writes it in 8, 4 or 3 bits, not in {config['bits']}."
    return (
        sharing.why_not_run(config, technique, facts, start)
        or why_no_data(technique, facts)
        or _why_too_little(config, technique, facts)
    )


def _why_too_little(config: Mapping[str, Any], technique: Technique, facts: Facts) -> str:
    """Why nothing can be learnt from so few rows, in all or at once; empty when it can."""
    if technique.config.get("objective") == "kto" and config.get("micro_batch") == 1:
        return "it compares the answers of one micro-batch, and that holds one; set train.micro_batch to 2."
    if learned_data.is_training(technique) and facts.data_kind not in _OF_TEXT and facts.data_examples == 1:
        return "the data has one row, and some must be held out; give at least two different ones."
    return ""


def why_no_data(technique: Technique, facts: Facts) -> str:
    """Why the data that the answers name is not what the technique works on; empty when it is, or none is needed."""
    if technique.data is not None and not technique.data.optional:
        if facts.data_path is None:
            return "no data is named; set data.path to a file or to builtin:stdlib."
        if technique.data.kinds and facts.data_kind not in technique.data.kinds:
            use = {"train": "be trained on", "calibrate": "serve as calibration text", "corpus": "be searched"}
            return f"data of kind {facts.data_kind} cannot {use[technique.data.use]} here."
    told = learned_data.why_not_told(technique, facts)
    if told:
        return told
    if technique.then is not None:
        second = learned_data.second_data(facts)
        if second is None or second["kind"] not in technique.then.kinds:
            return "its second phase learns from examples, and none are named; set data.then to their path and kind."
    return ""
