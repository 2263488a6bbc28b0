"""The peak of a training step: fixed memory, and the larger of two moments.

Early in the backward pass all activations and the copies of the logits are there and hardly any gradient; at its end
all gradients are there and one block's activations. Where gradients stay between steps (accumulation, DDP) both add up.
"""

from __future__ import annotations

from typing import NamedTuple

from advisor.domain.architecture import ModelShape
from advisor.domain.errors import AdvisorError
from advisor.domain.estimate import EstimateRequest
from advisor.engine.estimate import constants as c
from advisor.engine.estimate import shapes
from advisor.engine.estimate.activations import kept
from advisor.engine.estimate.adapters import ADAPTERS, Adapter, targets_of
from advisor.engine.estimate.breakdown import Breakdown
from advisor.engine.estimate.methods import Method
from advisor.engine.estimate.optimizers import optimizer_of
from advisor.engine.estimate.precision import Sizes, is_quantized, sizes_of
from advisor.engine.estimate.shapes import Linear
from advisor.engine.estimate.sharding import communication_bytes, flat_gradients, gathered_bytes, shares_of, strategy_of
from advisor.engine.estimate.weights import plain_bytes, weights_of


class _Trained(NamedTuple):
    """What is trained: how many parameters, and bytes of their gradients, states and masters on one GPU unsharded."""

    params: float
    gradients: float
    states: float
    adapter_bytes: float


def adapter_of(shape: ModelShape, request: EstimateRequest, method: Method) -> tuple[Adapter, tuple[Linear, ...]]:
    """The adapter a method trains and where it sits. Raises `AdvisorError` when it would sit nowhere."""
    adapter = ADAPTERS[method.adapter]
    wanted = request.lora.targets if adapter.targets is None else adapter.targets
    targets = targets_of(shape, wanted)
    if adapter.targets is None and not targets:
        raise AdvisorError(
            f"lora.targets {wanted!r} match nothing in a {shape.arch} model",
            hint="all-linear and attention fit every model",
        )
    return adapter, targets


def trainable_params(shape: ModelShape, request: EstimateRequest, method: Method) -> float:
    """Parameters that receive gradients."""
    if method.trains == "all":
        return float(shapes.count_params(shape))
    if method.trains == "nothing":
        return 0.0
    adapter, targets = adapter_of(shape, request, method)
    return adapter.params(shape, targets, request.lora.rank)


def training_peak(shape: ModelShape, request: EstimateRequest, method: Method) -> Breakdown:
    """The terms of the peak on one GPU, in bytes."""
    sizes = sizes_of(request, method)
    weights = weights_of(shape, request, method, sizes)
    sharding = strategy_of(request)
    shares = shares_of(sharding, request.gpus)
    trained = _trained(shape, request, method, sizes)
    memory = Breakdown()
    memory.weights = weights.total * shares.weights + _companions(shape, request, method, shares.weights)
    memory.adapters = trained.adapter_bytes * (shares.weights if sharding in ("fsdp", "zero3") else 1.0)
    copies = 1 + method.trained_copies
    memory.optimizer = trained.states * shares.states * copies
    gradients = trained.gradients * shares.gradients * copies
    if method.trains == "adapter" and sharding == "fsdp":
        flat = flat_gradients(weights.total, weights.block, request)
        gradients += flat if request.flat_units else 0.0
        is_upper_end = not request.flat_units and not weights.dequantized  # packed weights take no gradient
        memory.more += flat if is_upper_end else 0.0
    memory.weights += _autocast_copies(shape, sizes, method) if not shares.gathers else 0.0
    memory.temporary = c.BLAS_WORKSPACE + weights.dequantized
    memory.temporary += communication_bytes(sharding, request.gpus, trained.gradients)
    if shares.gathers:
        memory.temporary += gathered_bytes(weights, request.gpus, sharding)
    _add_step(memory, shape, request, method, sizes, gradients, shares.keeps_gradients)
    if request.by_executors and sizes.master and sizes.gradient < c.FP32:
        _add_update(memory, gradients * c.FP32 / sizes.gradient * shares.states / shares.gradients)
    memory.assumptions += _notes(shape, request, method, sizes)
    return memory


def _trained(shape: ModelShape, request: EstimateRequest, method: Method, sizes: Sizes) -> _Trained:
    params = trainable_params(shape, request, method)
    optimizer = optimizer_of(request.optimizer)
    is_adapter = method.trains == "adapter"
    gradient = sizes.adapter if is_adapter else sizes.gradient
    state = sizes.adapter if is_adapter else sizes.state
    states = params * (optimizer.states * state + optimizer.fixed_bytes)
    if optimizer.is_factored:
        states = (
            sum(c.FP32 * (m.inputs + m.outputs) * m.copies for m in shapes.linears(shape)) if not is_adapter else 0.0
        )
    if optimizer.is_paged and request.count != "nvml":
        states = 0.0
    if not is_adapter:
        states += params * sizes.master
    return _Trained(params, params * gradient, states, params * sizes.adapter if is_adapter else 0.0)


def _companions(shape: ModelShape, request: EstimateRequest, method: Method, share: float) -> float:
    """Frozen 16-bit models beside the trained one, and further trained ones."""
    total = (method.frozen_copies + method.trained_copies) * plain_bytes(shape)
    if method.has_teacher:
        total += plain_bytes(request.teacher or shape)
    return total * share


def _autocast_copies(shape: ModelShape, sizes: Sizes, method: Method) -> float:
    """Under autocast the 16-bit casts of fp32 matrices are kept for the backward pass."""
    if not sizes.is_mixed or sizes.weight < c.FP32:
        return 0.0
    return float((shapes.linear_params(shape) + shape.vocab * shape.hidden) * c.HALF)


def _add_step(
    memory: Breakdown,
    shape: ModelShape,
    request: EstimateRequest,
    method: Method,
    sizes: Sizes,
    gradients: float,
    keeps_gradients: bool,
) -> None:
    """Activations, logits and gradients at whichever moment of the step is the largest."""
    moment = _moment(shape, request, method, sizes)
    memory.activations, memory.logits, memory.gradients = moment.early_activations, moment.early_logits, gradients
    memory.less += moment.adapter_inputs / 2
    memory.more += moment.adapter_inputs + moment.packed_inputs
    if keeps_gradients or request.accumulation > 1 or method.trains == "adapter":
        return
    head = min(gradients, gradients * shapes.embedding_params(shape) / shapes.count_params(shape))
    if moment.early_activations + moment.early_logits + head >= gradients + moment.late_activations:
        memory.gradients = head
        memory.assumptions.append(
            f"the peak is early in the backward pass: the {gradients / c.GIB:.1f} GiB of gradients take the room that "
            "activations leave; with gradient accumulation both add up"
        )
        return
    memory.activations, memory.logits = moment.late_activations, 0.0
    memory.assumptions.append(
        "the peak is at the end of the backward pass: all gradients are there, of the activations one block's"
    )


def _add_update(memory: Breakdown, gradients: float) -> None:
    """The optimizer's step, if more is there than in the backward pass: fp32 gradients of its masters, nothing else."""
    if gradients <= memory.activations + memory.logits + memory.gradients:
        return
    memory.activations, memory.logits, memory.gradients = 0.0, 0.0, gradients
    memory.assumptions.append("the peak is the optimizer's step: the gradients of its masters are in fp32")


class _Moment(NamedTuple):
    """Bytes at the two moments."""

    early_activations: float
    early_logits: float
    late_activations: float
    adapter_inputs: float
    packed_inputs: float
    """Inputs of quantized matrices, which bitsandbytes before 0.43 kept although nothing needs them."""


def _moment(shape: ModelShape, request: EstimateRequest, method: Method, sizes: Sizes) -> _Moment:
    adapter, targets = adapter_of(shape, request, method) if method.trains == "adapter" else (None, ())
    keeps = kept(shape, sizes, request.attention, method.trains == "all", adapter, targets)
    length = request.seq_len + (adapter.virtual_tokens if adapter else 0)
    sequences = request.micro_batch * method.batch_factor
    tokens, pairs = sequences * length, sequences * length * length
    working = c.LAYER_GRADIENTS * keeps.widest * tokens
    block = keeps.block_per_token * tokens + keeps.block_per_pair * pairs + working
    if request.gradient_checkpointing:
        base, layer = float(tokens * shape.layers * shape.hidden * sizes.residual), block
    else:
        base, layer = keeps.per_token * tokens + keeps.per_pair * pairs, working
    if adapter is not None and adapter.prefix_tokens:
        base += 2 * sizes.compute * sequences * adapter.prefix_tokens * shape.kv_heads * shape.head_dim * shape.layers
    logits = tokens * logits_per_token(shape, sizes, request, method)
    inputs = keeps.adapter_inputs * tokens / (shape.layers if request.gradient_checkpointing else 1)
    packed = 0.0
    if is_quantized(request.quant, method) and not request.gradient_checkpointing:
        packed = float(
            tokens * sizes.compute * sum(m.inputs * m.copies for m in shapes.linears(shape) if m.part != "expert")
        )
    if logits >= layer:
        return _Moment(base, logits, block, 0.0 if request.gradient_checkpointing else inputs, packed)
    return _Moment(base + layer, 0.0, block, inputs, packed)


def logits_per_token(shape: ModelShape, sizes: Sizes, request: EstimateRequest, method: Method) -> float:
    """Bytes per token around the loss: logits as computed, their fp32 copies, and the teacher's where there is one."""
    if shape.arch in shapes.ENCODERS:
        return 0.0
    total = shape.vocab * (sizes.compute + c.LOSS_COPIES * c.FP32)
    if method.has_teacher:
        vocab = (request.teacher or shape).vocab
        total += vocab * (c.HALF + c.TEACHER_TEMPERATURE_COPIES * c.FP32)
    return float(total)


def _notes(shape: ModelShape, request: EstimateRequest, method: Method, sizes: Sizes) -> list[str]:
    notes = ["the loss is computed on an fp32 copy of all logits, as transformers does; chunked losses need less"]
    if method.trains == "adapter":
        notes.append(
            "adapters and their optimizer states are in fp32; each keeps its input in 16 bits (autocast or dropout): "
            "PEFT without autocast keeps twice that, 16-bit adapters without dropout half"
        )
    if sizes.master and sizes.weight < c.FP32:
        notes.append("the optimizer keeps fp32 masters and states of 16-bit parameters")
    if optimizer_of(request.optimizer).is_paged and request.count != "nvml":
        notes.append("paged optimizer states live outside torch's allocator; count: nvml includes them")
    if request.sharding == "none" and request.gpus > 1:
        notes.append("gpus without sharding: every GPU holds the whole model")
    if strategy_of(request) == "fsdp" and method.trains == "adapter":
        notes.append(
            "frozen and trained weights in one flat parameter (FSDP1): gradients of both, whole while accumulating"
            if request.flat_units
            else "frozen weights have no gradients (FSDP2, or units that hold adapters alone); flat_units: true counts "
            "FSDP1 with both in one unit, which the upper end allows for"
        )
    if shape.params is not None and shape.name.startswith("about "):
        notes.append(f"dimensions are typical of {shape.name} models: name the model for exact ones")
    return notes
