"""Bytes of the model's weights, in whatever form they are held. Trained copies and gradients stand in `training`."""

from __future__ import annotations

from typing import NamedTuple

from advisor.domain.architecture import ModelShape
from advisor.domain.estimate import EstimateRequest
from advisor.engine.estimate import constants as c
from advisor.engine.estimate import shapes
from advisor.engine.estimate.methods import Method
from advisor.engine.estimate.precision import Sizes, covers_everything, is_quantized, storage_bits


class Weights(NamedTuple):
    """Bytes of one copy of the model, and of its parts that sharding gathers at once."""

    total: float
    block: float
    """One block, as gathered for computing."""
    root: float
    """Embeddings, head and final norm: gathered together, kept during the whole step."""
    dequantized: float
    """16-bit copy of the largest quantized matrix, made for each multiplication; 0 when nothing is quantized."""


def weights_of(shape: ModelShape, request: EstimateRequest, method: Method, sizes: Sizes) -> Weights:
    """The weights of one whole model under the request's precision and quantization."""
    matrices = shapes.linear_params(shape)
    outside = max(0, shapes.count_params(shape) - matrices)
    root_params = shapes.embedding_params(shape) + shapes.head_params(shape)
    if not is_quantized(request.quant, method):
        total = float((matrices + outside) * sizes.weight)
        gathered = sizes.compute
        return Weights(total, matrices / shape.layers * gathered, root_params * gathered, 0.0)
    bits, kind = storage_bits(request.quant, method)
    # transformers' prepare_model_for_kbit_training turns what stays unquantized into fp32 for mixed precision
    rest = c.FP32 if sizes.is_mixed and method.work == "train" else c.HALF
    outside_bytes = outside * bits / 8 if covers_everything(kind) else outside * float(rest)
    largest = max(linear.size for linear in shapes.linears(shape))
    total = matrices * bits / 8 + outside_bytes
    return Weights(total, matrices / shape.layers * bits / 8, root_params * rest, largest * c.HALF)


def plain_bytes(shape: ModelShape, bytes_each: float = c.HALF) -> float:
    """A whole model at one element size: teachers, references, files on disk."""
    return shapes.count_params(shape) * bytes_each
