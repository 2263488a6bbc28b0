"""Expected change of quality by a step, as a range with its evidence; nothing where nothing was measured.

The rows are published before-and-after measurements of the named models, summarised as lowest, median and highest. They
are not extrapolated: a setting no row covers has no range, and says what is nearest.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from advisor.domain.estimate import Quality, Range
from advisor.domain.facts import Facts
from advisor.domain.technique import Technique
from advisor.domain.words import Family

SMALL, LARGE = 4.0, 20.0
"""Billions of parameters that separate the size classes of the rows."""
PERPLEXITY = "% of perplexity"
POINTS = "points of accuracy"
LOSS = "% of held-out loss"


class Row(NamedTuple):
    """One summary of measurements: lowest, median, highest change, and where they come from."""

    low: float
    median: float
    high: float
    unit: str
    of: str
    """What was measured, on which models."""
    source: str
    below: float = 1e9
    """Billions of parameters below which the row holds."""
    above: float = 0.0


_QWEN = "average of MMLU, C-Eval, GSM8K-like tasks, Qwen2 instruct models"
_QWEN_SOURCE = "qwen docs/source/getting_started/quantization_benchmark.rst"
_WANDA = "WikiText perplexity, Llama 2 7B to 70B, calibrated, not retrained"
_WANDA_SOURCE = "wanda README.md"
_PEFT = "GSM8K after MetaMathQA, Llama 3.2 3B, against LoRA of rank 32"
_PEFT_SOURCE = "peft method_comparison/MetaMathQA"
_AO = "torchao docs/source/workflows/inference.md"

ROWS: dict[str, tuple[Row, ...]] = {
    "gptq-8": (
        Row(-2.3, -1.3, 0.6, POINTS, _QWEN, _QWEN_SOURCE, below=SMALL),
        Row(-1.4, -0.6, -0.1, POINTS, _QWEN, _QWEN_SOURCE, above=SMALL),
    ),
    "gptq-4": (
        Row(-6.4, -4.05, -1.7, POINTS, _QWEN, _QWEN_SOURCE, below=SMALL),
        Row(-3.7, -2.75, -2.0, POINTS, _QWEN, _QWEN_SOURCE, above=SMALL, below=LARGE),
        Row(-1.5, 0.0, 1.3, POINTS, _QWEN, _QWEN_SOURCE, above=LARGE),
    ),
    "awq-4": (
        Row(-5.7, -3.2, 0.9, POINTS, _QWEN, _QWEN_SOURCE, below=SMALL),
        Row(-3.6, -2.95, -1.7, POINTS, _QWEN, _QWEN_SOURCE, above=SMALL, below=LARGE),
        Row(-1.8, -0.8, 0.1, POINTS, _QWEN, _QWEN_SOURCE, above=LARGE),
    ),
    "qat-4": (Row(-4.3, 1.1, 11.2, PERPLEXITY, "EfficientQAT, 7B to 70B", "efficientqat README.md"),),
    "qat-3": (Row(3.1, 5.6, 47.0, PERPLEXITY, "EfficientQAT, 7B to 70B", "efficientqat README.md"),),
    "qat-2": (Row(22.1, 36.3, 123.9, PERPLEXITY, "EfficientQAT, 7B to 70B", "efficientqat README.md"),),
    "fp8-8": (Row(0.0, 1.2, 3.7, PERPLEXITY, "Llama 3.1 8B, row-wise scales", _AO),),
    "mxfp8-8": (Row(1.2, 3.7, 3.7, PERPLEXITY, "Llama 3.1 8B", _AO),),
    "nvfp4-4": (Row(-5.0, -2.1, -1.0, POINTS, "two 8B models, AutoRound", "llm-compressor examples/autoround"),),
    "int8-w8a8-8": (Row(1.4, 1.7, 6.1, PERPLEXITY, "Llama 2 7B and Llama 3.1 8B", _AO),),
    "wanda-0.5": (
        Row(21.7, 23.6, 25.4, PERPLEXITY, _WANDA, _WANDA_SOURCE, below=LARGE),
        Row(20.0, 27.6, 27.6, PERPLEXITY, _WANDA, _WANDA_SOURCE, above=LARGE),
    ),
    "wanda-2:4": (
        Row(81.0, 98.1, 115.2, PERPLEXITY, _WANDA, _WANDA_SOURCE, below=LARGE),
        Row(65.4, 65.4, 81.0, PERPLEXITY, _WANDA, _WANDA_SOURCE, above=LARGE),
    ),
    "sparsegpt-0.5": (Row(23.2, 25.2, 27.6, PERPLEXITY, _WANDA, _WANDA_SOURCE),),
    "sparsegpt-2:4": (Row(73.1, 82.1, 98.6, PERPLEXITY, _WANDA, _WANDA_SOURCE),),
    "magnitude-0.5": (Row(39.4, 59.6, 190.8, PERPLEXITY, _WANDA, _WANDA_SOURCE),),
    "magnitude-2:4": (Row(82.3, 102.9, 966.2, PERPLEXITY, _WANDA, _WANDA_SOURCE),),
}


def expected_quality(technique: Technique, facts: Facts, config: dict[str, Any]) -> Quality:
    """What the step does to quality, as far as it was measured. A sign is that of the unit: perplexity and loss up is
    worse, accuracy up is better."""
    bits = config.get("bits") or config.get("type")
    sparsity = config.get("pattern") if config.get("pattern") == "2:4" else config.get("sparsity")
    return _quality(technique.id, technique.family, facts.model_params_b, str(bits or ""), str(sparsity or ""))


@lru_cache(maxsize=1024)
def _quality(technique: str, family: Family, params_b: float | None, bits: str, sparsity: str) -> Quality:
    return Quality(text="Nothing is known of its effect in numbers; measure it here.")
