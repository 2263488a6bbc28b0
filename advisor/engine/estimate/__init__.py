"""Estimates: memory, time, disk and quality of one step, and of a chain, from a model's dimensions.

Pure arithmetic: files are read by callers. Memory is counted by what is allocated (see `training`, `inference`), the
numbers that are not dimensions stand in `constants`.
"""

from __future__ import annotations

from advisor.domain.architecture import ModelShape
from advisor.domain.errors import AdvisorError
from advisor.domain.estimate import Estimate, EstimateRequest
from advisor.engine.estimate import constants as c
from advisor.engine.estimate.breakdown import Breakdown
from advisor.engine.estimate.inference import calibration_peak, inference_peak
from advisor.engine.estimate.methods import Method, method_of, with_adapter
from advisor.engine.estimate.precision import is_quantized
from advisor.engine.estimate.shapes import shape_from_params
from advisor.engine.estimate.training import training_peak


def estimate(request: EstimateRequest) -> Estimate:
    """Peak memory of one GPU, with its terms, range and assumptions.

    Needs `request.shape`, or `request.model.params_b` for typical dimensions of that size. Raises `AdvisorError` when
    neither is there, or when a method, an optimizer, a quantization type or a target is not known.
    """
    shape = shape_of(request)
    method, is_adapter = effective_method(request)
    if method.work == "train":
        memory = training_peak(shape, request, method)
    elif method.work == "calibrate":
        memory = calibration_peak(shape, request, method)
    else:
        memory = inference_peak(shape, request, method)
    if is_adapter:
        memory.assumptions.insert(0, "a quantized base cannot be trained: an adapter is trained over it")
    _count(memory, request)
    if request.shape is None:
        memory.less += sum(share * getattr(memory, term) for term, share in c.GUESSED_LESS.items())
        memory.more += sum(share * getattr(memory, term) for term, share in c.GUESSED_MORE.items())
    return memory.answer()


def shape_of(request: EstimateRequest) -> ModelShape:
    """The model's dimensions. Raises `AdvisorError` when the request has none."""
    if request.shape is not None:
        return request.shape
    if request.model.params_b is not None:
        return shape_from_params(request.model.params_b)
    raise AdvisorError(
        "the estimate names no model",
        why="memory follows from the model's dimensions",
        hint="give model.config (a config.json), model.id (one of the catalogue) or model.params_b",
    )


def effective_method(request: EstimateRequest) -> tuple[Method, bool]:
    """The method's traits, and whether an adapter was put in because a quantized base cannot be trained."""
    method, _ = method_of(request.method)
    if method.trains == "all" and is_quantized(request.quant, method) and request.method.lower() != "qat":
        return with_adapter(method, "lora"), True
    return method, False


def _count(memory: Breakdown, request: EstimateRequest) -> None:
    """What the allocator holds beyond the peak, and what lies outside it."""
    if request.count in ("reserved", "nvml"):
        dynamic = memory.activations + memory.logits + memory.gradients + memory.temporary
        memory.context += c.RESERVED_SLACK * dynamic
        memory.more += (c.FRAGMENTATION - c.RESERVED_SLACK) * dynamic
    if request.count == "nvml":
        memory.context += c.CUDA_CONTEXT * c.GIB
        memory.assumptions.append("context holds the CUDA context and what the allocator keeps beyond the peak")
