"""The peak of work without gradients: generating, holding a model, and calibrating a compression method on it."""

from __future__ import annotations

from advisor.domain.architecture import ModelShape
from advisor.domain.estimate import EstimateRequest
from advisor.engine.estimate import constants as c
from advisor.engine.estimate import shapes
from advisor.engine.estimate.activations import eager_scores, prefill_per_token
from advisor.engine.estimate.breakdown import Breakdown
from advisor.engine.estimate.methods import Method
from advisor.engine.estimate.precision import is_quantized, sizes_of
from advisor.engine.estimate.weights import weights_of


def kv_bytes_per_token(shape: ModelShape, element: float = c.HALF) -> float:
    """Keys and values of one token in all layers; latent attention keeps its compressed vector instead."""
    if shape.kv_rank:
        return shape.layers * (shape.kv_rank + shape.rope_head_dim) * element
    return 2.0 * shape.layers * shape.kv_heads * shape.head_dim * element


def inference_peak(shape: ModelShape, request: EstimateRequest, method: Method) -> Breakdown:
    """Weights, the cache of `seq_len` tokens for each sequence, and the pass over the whole prompt."""
    sizes = sizes_of(request, method)
    weights = weights_of(shape, request, method, sizes)
    share = 1.0 / request.gpus
    memory = Breakdown(weights=weights.total * share)
    memory.temporary = c.BLAS_WORKSPACE + weights.dequantized
    if method.work == "weights":
        return memory
    tokens = request.micro_batch * request.seq_len
    cache = tokens * kv_bytes_per_token(shape, sizes.compute)
    prefill = tokens * prefill_per_token(shape, sizes.compute)
    if request.attention == "eager":
        scores = request.micro_batch * request.seq_len**2 * eager_scores(shape, sizes.compute)
        prefill = max(prefill, scores)
    memory.activations = cache * share + prefill
    memory.logits = float(request.micro_batch * shape.vocab * (sizes.compute + c.FP32))
    reserved = c.RESERVED_CACHE * request.micro_batch * kv_bytes_per_token(shape, sizes.compute)
    memory.more = max(0.0, reserved - cache) * share
    if is_quantized(request.quant, method) or shape.tied:
        memory.more += shape.vocab * shape.hidden * c.HALF
    memory.assumptions += [
        f"activations: {cache * share / c.GIB:.2f} GiB of keys and values for {tokens} tokens, the rest is one pass "
        "over the whole prompt",
        "logits of the last token only, as transformers computes them since 4.45",
        f"the upper end holds a cache set aside for {c.RESERVED_CACHE} tokens, and a second head: quantized "
        "models keep one in 16 bits, loaders make one before they tie it to the embedding",
    ]
    if request.gpus > 1:
        memory.assumptions.append("layers are split evenly over the GPUs")
    return memory


def calibration_peak(shape: ModelShape, request: EstimateRequest, method: Method) -> Breakdown:
    """Pruning and quantizing with calibration data, one block after the other.

    The inputs and outputs of the block for all calibration sequences, its 16-bit weights, and for second-order methods
    the Hessians of all its inputs with the working copies of the widest (GPTQ 2210.17323, SparseGPT 2301.00774).
    """
    sizes = sizes_of(request, method)
    weights = weights_of(shape, request, method, sizes)
    root = (shapes.embedding_params(shape) + shapes.head_params(shape)) * sizes.weight
    one_block = weights.block + root
    memory = Breakdown(weights=one_block if method.on_gpu == "layer" else weights.total / request.gpus)
    tokens = c.CALIBRATION_SAMPLES * request.seq_len
    memory.activations = float(2 * tokens * shape.hidden * sizes.compute)
    memory.activations += request.micro_batch * request.seq_len * prefill_per_token(shape, sizes.compute)
    block = [linear for linear in shapes.linears(shape) if linear.part != "router"]
    widest = max(linear.inputs for linear in block)
    largest = max(linear.size for linear in block)
    memory.temporary = float(c.BLAS_WORKSPACE + largest * c.FP32)
    if method.hessians:
        inputs = sum(linear.inputs**2 * linear.copies for linear in block) / shape.layers
        memory.temporary += c.FP32 * (inputs + (c.HESSIAN_COPIES - 1) * widest**2)
    memory.assumptions.append(
        f"{c.CALIBRATION_SAMPLES} calibration sequences of {request.seq_len} tokens stay on the GPU; "
        + ("blocks are moved there one by one" if method.on_gpu == "layer" else "the whole model stays there too")
    )
    return memory
