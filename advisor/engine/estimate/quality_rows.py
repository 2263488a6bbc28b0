"""Published changes of quality, summarised: lowest, median and highest of each setting, with what was measured.

Signs are those of the unit: perplexity and loss up is worse, accuracy up is better. Nothing is extrapolated.
"""

from __future__ import annotations

from typing import NamedTuple

SMALL, LARGE = 4.0, 20.0
"""Billions of parameters that separate the size classes of the rows."""
PERPLEXITY = "% of perplexity"
POINTS = "points of accuracy"
LOSS_VS_LORA = "% of loss against LoRA"
POINTS_VS_LORA = "points against LoRA"
POINTS_VS_FULL = "points against full training"
"""Training methods are compared with each other: what training itself gains depends on the data."""


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


_QWEN = "MMLU, C-Eval and IFEval of Qwen2 instruct models"
_QWEN_SOURCE = "qwen docs/source/getting_started/quantization_benchmark.rst"
_WANDA = "WikiText perplexity, Llama 2 7B to 70B, calibrated, not retrained"
_WANDA_SOURCE = "wanda README.md"
_PEFT = "GSM8K after MetaMathQA with Llama 3.2 3B"
_PEFT_SOURCE = "peft method_comparison/MetaMathQA"
_LITGPT = "litgpt config_hub/finetune/README.md"
_EQAT = "efficientqat README.md"
_PRUNER = "modelopt examples/pruning"
_AO = "torchao docs/source/workflows/inference.md"

ROWS: dict[str, tuple[Row, ...]] = {
    "gptq-8": (
        Row(-2.3, -1.3, 0.6, POINTS, _QWEN, _QWEN_SOURCE, below=SMALL),
        Row(-1.4, -0.5, -0.1, POINTS, _QWEN, _QWEN_SOURCE, above=SMALL),
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
    "qat-4": (Row(-4.3, 1.1, 11.2, PERPLEXITY, "EfficientQAT, 7B to 70B", _EQAT),),
    "qat-3": (Row(3.1, 6.2, 47.0, PERPLEXITY, "EfficientQAT, 7B to 70B", _EQAT),),
    "qat-2": (Row(22.1, 41.5, 123.9, PERPLEXITY, "EfficientQAT, 7B to 123B", _EQAT),),
    "fp8-8": (Row(1.2, 1.2, 1.2, PERPLEXITY, "Llama 3.1 8B with row-wise scales, one measurement", _AO),),
    "mxfp8-8": (Row(3.7, 3.7, 3.7, PERPLEXITY, "Llama 3.1 8B, one measurement", _AO),),
    "nvfp4-4": (
        Row(
            -5.0,
            -2.1,
            -1.0,
            POINTS,
            "an 8B model, three benchmarks after AutoRound",
            "llm-compressor examples/autoround/quantization_w4a4_fp4/README.md",
        ),
    ),
    "int8-w8a8-8": (Row(1.4, 1.7, 6.1, PERPLEXITY, "Llama 2 7B and Llama 3.1 8B", _AO),),
    "wanda-0.5": (
        Row(21.7, 23.6, 25.4, PERPLEXITY, _WANDA, _WANDA_SOURCE, below=LARGE),
        Row(27.6, 27.6, 27.6, PERPLEXITY, _WANDA, _WANDA_SOURCE, above=LARGE),
    ),
    "wanda-2:4": (
        Row(81.0, 98.1, 115.2, PERPLEXITY, _WANDA, _WANDA_SOURCE, below=LARGE),
        Row(65.4, 65.4, 65.4, PERPLEXITY, _WANDA, _WANDA_SOURCE, above=LARGE),
    ),
    "sparsegpt-0.5": (Row(23.2, 27.1, 27.6, PERPLEXITY, _WANDA, _WANDA_SOURCE),),
    "sparsegpt-2:4": (Row(73.1, 82.1, 98.6, PERPLEXITY, _WANDA, _WANDA_SOURCE),),
    "magnitude-0.5": (Row(39.4, 59.6, 190.8, PERPLEXITY, _WANDA, _WANDA_SOURCE),),
    "magnitude-2:4": (Row(82.3, 102.9, 966.2, PERPLEXITY, _WANDA, _WANDA_SOURCE),),
    "bnb-int8-8": (Row(0.2, 0.2, 0.2, PERPLEXITY, "Llama 3.1 8B with 8-bit weights by rows, one measurement", _AO),),
    "qlora": (Row(1.1, 3.1, 10.6, LOSS_VS_LORA, "Alpaca, 13 models of 1B to 8B", _LITGPT),),
    "full-sft": (Row(-14.6, -1.0, 1.3, POINTS_VS_LORA, "MMLU after Alpaca, 7 models below 4B", _LITGPT),),
    "lora": (Row(0.2, 1.5, 4.2, POINTS_VS_FULL, f"{_PEFT}, four settings", _PEFT_SOURCE),),
    "dora": (Row(-0.2, -0.2, -0.2, POINTS_VS_FULL, f"{_PEFT}, one measurement", _PEFT_SOURCE),),
    "ia3": (Row(-16.1, -7.4, -1.7, POINTS_VS_FULL, f"{_PEFT}, three settings", _PEFT_SOURCE),),
    "prefix-tuning": (Row(-28.6, -11.4, -5.5, POINTS_VS_FULL, f"{_PEFT}, three settings", _PEFT_SOURCE),),
    "prompt-tuning": (Row(-41.5, -23.7, -12.8, POINTS_VS_FULL, f"{_PEFT}, three settings", _PEFT_SOURCE),),
    "depth-pruning": (
        Row(-86.4, -23.9, -1.0, POINTS, "MMLU, HellaSwag, GSM8K; Qwen3 8B, 4 or 8 of 36 layers dropped", _PRUNER),
    ),
    "structured-pruning": (
        Row(-89.9, -50.7, -6.9, POINTS, "eight benchmarks; Nemotron Nano 9B to 7B, before any distillation", _PRUNER),
    ),
    "feature-distillation": (
        Row(-13.0, -2.4, 0.8, POINTS, "the same pruned to 7B and distilled on 2.5 to 80 billion tokens", _PRUNER),
    ),
}
