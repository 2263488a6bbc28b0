"""Quantization-aware training by torchao: weights are rounded in every forward pass, then stored as they were rounded.

All weights, or LoRA whose merged weight is rounded. Trains through the same engine as `finetune`, and writes a
compressed-tensors folder that transformers and vLLM load. Only weights are rounded; activations keep their bits.
"""

from executors.qat.config import REQUIRES, Config, milder, preflight
from executors.qat.run import run

__all__ = ["REQUIRES", "Config", "milder", "preflight", "run"]
