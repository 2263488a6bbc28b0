"""Expected change of quality by a step, as a range with its evidence; no range where nothing was measured.

The measurements stand in `quality_rows`. A setting that no row covers is told as unknown, with what is nearest.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from advisor.domain.estimate import Quality, Range
from advisor.domain.facts import Facts
from advisor.domain.technique import Technique
from advisor.domain.words import Family
from advisor.engine.estimate.quality_rows import POINTS, ROWS, Row

DEFAULT_BITS = {"gptq": "4", "awq": "4", "qat": "4", "fp8": "8", "mxfp8": "8", "nvfp4": "4", "int8-w8a8": "8"}
DEFAULT_BITS |= {"bnb-int8": "8"}
PRUNERS = {"wanda": "wanda", "sparsegpt": "sparsegpt", "magnitude-pruning": "magnitude"}
SPARSITY = 0.5
"""What pruning executors take when they are not told, and what the rows were measured at."""
TEXTS: dict[Family, str] = {
    Family.MERGE: "No published figure fits; merging variants can cost or gain.",
    Family.PROMPT: "Depends on task and model; compare on held-out examples.",
    Family.RETRIEVE: "Depends on the documents and questions; compare answers with and without retrieval.",
    Family.PRETRAIN: "Gains in the new domain and losses elsewhere depend on the corpus; measure both.",
    Family.ALIGN: "Moves preferences, not knowledge; published gains are win rates of particular models.",
    Family.EDIT: "A few facts change; what else moves has to be measured.",
}
UNKNOWN = "Nothing fitting is published; it is measured after the step."
NF4 = "One published measurement: perplexity rose by 15.8 % on Qwen2.5 3B with NF4."
GGUF = (
    "No perplexity of this setting is in the evidence; 8 bits are usually close to 16, fewer cost more on small models."
)


def expected_quality(technique: Technique, facts: Facts, config: dict[str, Any]) -> Quality:
    """What the step does to quality, as far as it was measured. A sign is that of the unit: perplexity and loss up is
    worse, accuracy up is better."""
    pattern, sparsity = str(config.get("pattern") or ""), float(config.get("sparsity") or SPARSITY)
    bits = f"{float(config['bits']):g}" if config.get("bits") else ""
    return _quality(technique.id, technique.family, facts.model_params_b, bits, pattern, sparsity)


@lru_cache(maxsize=1024)
def _quality(
    technique: str, family: Family, params_b: float | None, bits: str, pattern: str, sparsity: float
) -> Quality:
    if technique == "adapter-merge":
        nothing = Range(low=0.0, expected=0.0, high=0.0)
        return Quality(range=nothing, unit=POINTS, text=MERGED, sources=("arxiv-2106.09685 section 4.1",))
    key = technique
    if technique in DEFAULT_BITS:
        key = f"{technique}-{bits or DEFAULT_BITS[technique]}"
    elif technique in PRUNERS:
        key = f"{PRUNERS[technique]}-{pattern if pattern == '2:4' else f'{sparsity:g}'}"
    row = _row(key, params_b)
    if row is None:
        return Quality(text=_unknown(technique, family, sparsity))
    text = f"{_signed(row.median)} {row.unit} ({_signed(row.low)} to {_signed(row.high)}): {row.of}."
    return Quality(
        range=Range(low=row.low, expected=row.median, high=row.high), unit=row.unit, text=text, sources=(row.source,)
    )


MERGED = "No change beyond rounding to 16 bits: the merged weights compute what base and adapter computed together."


def _row(key: str, params_b: float | None) -> Row | None:
    """The row of the model's size class; without a size, or outside all classes, the only row or none."""
    rows = ROWS.get(key, ())
    if params_b is None:
        return rows[0] if len(rows) == 1 else None
    return next((row for row in rows if row.above <= params_b < row.below), None)


def _unknown(technique: str, family: Family, sparsity: float) -> str:
    if technique == "bnb-nf4":
        return NF4
    if technique == "gguf":
        return GGUF
    if technique in PRUNERS:
        return f"Measured at a sparsity of 0.5 only, not at {sparsity:g}; more sparsity costs more than in proportion."
    return TEXTS.get(family, UNKNOWN)


def _signed(value: float) -> str:
    return f"{value:+g}"
