"""What a step of a stack asks of the estimator: its method, configuration and amount of data, from facts.

It decides nothing: a configuration says batch and length, or the facts do, or the least that works is taken.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, NamedTuple

from advisor.domain.architecture import ModelShape
from advisor.domain.estimate import EstimateLora, EstimateModel, EstimateRequest
from advisor.domain.facts import Facts
from advisor.domain.technique import Technique
from advisor.domain.words import Family
from advisor.engine.estimate.constants import LARGEST_TEMPLATE_TOKENS, USUAL_TEMPLATE_TOKENS
from advisor.engine.estimate.precision import held_in
from advisor.engine.estimate.shapes import shape_from_params

_NO_NAME = EstimateModel.model_construct()
"""Made once: a default is copied for every request."""
SEQ_LEN = 1024
EXAMPLES = 1000
"""Rows of data where nobody said: the lower end of what guides ask for."""
LOCAL_FAMILIES = frozenset(
    (
        Family.PRETRAIN,
        Family.DISTILL,
        Family.FINETUNE,
        Family.ALIGN,
        Family.EDIT,
        Family.MERGE,
        Family.PRUNE,
        Family.QUANTIZE,
        Family.EXPORT,
    )
)
"""Families whose steps work on the model's weights here."""
FALLBACK: dict[Family, str] = {
    Family.PRETRAIN: "pretrain",
    Family.DISTILL: "distill",
    Family.FINETUNE: "lora",
    Family.ALIGN: "dpo-lora",
    Family.EDIT: "inference",
    Family.MERGE: "merge",
    Family.PRUNE: "wanda",
    Family.QUANTIZE: "quantize",
    Family.EXPORT: "quantize",
}


def method_name(technique: Technique, config: dict[str, Any]) -> str | None:
    """The estimate method of a step; None when it works on no weights here (prompts, retrieval, APIs, supports)."""
    if technique.role == "support" or technique.family not in LOCAL_FAMILIES:
        return None
    if technique.estimate_method:
        return technique.estimate_method
    if technique.executor == "finetune" and "method" in config:
        return str(config["method"])
    if technique.group in ("api", "by-api") or technique.id.endswith("-finetune"):
        return None
    return FALLBACK[technique.family]


def model_shape(facts: Facts) -> ModelShape | None:
    """The model's dimensions, synthesised when only a size is known."""
    if facts.model_shape is not None:
        return facts.model_shape
    return shape_from_params(facts.model_params_b) if facts.model_params_b else None


def request_of(method: str, shape: ModelShape, facts: Facts, config: dict[str, Any]) -> EstimateRequest:
    """The memory request of a step on this machine: GPU accounting where there is one, plain memory otherwise."""
    teacher, student = _teacher(method, shape, facts)
    gpus = int(config.get("gpus", 1))
    return EstimateRequest.model_construct(
        model=_NO_NAME,
        shape=student,
        teacher=teacher,
        method=method,
        precision=precision_of(facts, config),
        quant=held_in(facts.model_quantized),
        micro_batch=int(config.get("micro_batch") or facts.train_micro_batch or 1),
        accumulation=int(config.get("accumulation") or 1),
        seq_len=longest_sequence(facts, int(config.get("seq_len") or facts.data_seq_len or SEQ_LEN)),
        gradient_checkpointing=bool(config.get("gradient_checkpointing", facts.has_gpu)),
        optimizer=str(config.get("optimizer", "adamw")),
        lora=_lora(int(config.get("rank", 16)), _targets(config.get("targets", "all-linear"))),
        attention="flash" if facts.has_gpu else "sdpa",
        gpus=gpus,
        sharding=config.get("sharding", "fsdp" if gpus > 1 else "none"),
        by_executors=True,
        count="nvml" if facts.has_gpu else "allocated",
    )


def precision_of(facts: Facts, config: dict[str, Any]) -> Literal["bf16", "fp32"]:
    """bf16 on GPUs and on processors that multiply it; emulated bf16 is slower than fp32."""
    wanted = config.get("precision", "auto")
    if wanted == "fp32" or wanted == "bf16":
        return "fp32" if wanted == "fp32" else "bf16"
    fast_cpu = any(flag in facts.cpu_features for flag in ("amx_bf16", "avx512_bf16", "bf16"))
    return "bf16" if facts.has_gpu or fast_cpu else "fp32"


def longest_sequence(facts: Facts, seq_len: int) -> int:
    """Tokens that the longest sequence of a batch has: no batch is padded beyond the longest row of the data."""
    if facts.data_longest_row is None or facts.data_kind in ("text", "documents", "preferences"):
        return seq_len
    return min(seq_len, facts.data_longest_row + LARGEST_TEMPLATE_TOKENS)


class Batch(NamedTuple):
    """Tokens of one micro-batch as they are computed, and of one of its sequences."""

    tokens: float
    length: float


def training_tokens(facts: Facts, config: dict[str, Any]) -> tuple[float, Batch]:
    """Tokens a training passes over, and its micro-batch."""
    seq_len = int(config.get("seq_len") or facts.data_seq_len or SEQ_LEN)
    micro_batch = int(config.get("micro_batch") or facts.train_micro_batch or 1)
    length = row_length(facts, seq_len)
    batch = Batch(micro_batch * length, length)
    if config.get("max_steps"):
        return float(config["max_steps"]) * int(config.get("accumulation") or 1) * batch.tokens, batch
    if facts.data_kind in ("text", "documents"):
        total = float(facts.train_tokens_budget or facts.data_tokens or EXAMPLES * seq_len)
    elif facts.data_examples is None and facts.data_tokens:
        total = float(facts.data_tokens)
    else:
        total = (EXAMPLES if facts.data_examples is None else facts.data_examples) * length
    return total * float(config.get("epochs", 1.0)), batch


def row_length(facts: Facts, seq_len: int) -> float:
    """Tokens of a sequence as it is trained on: running text is cut into full windows; rows of like length share a
    batch, so little is padded. Where nobody looked at the data, rows are taken as half their longest (published
    instruction sets have a mean of a third to a half of their 95th percentile)."""
    if facts.data_kind in ("text", "documents"):
        return float(seq_len)
    if facts.data_row_tokens is not None:
        return float(min(seq_len, facts.data_row_tokens + USUAL_TEMPLATE_TOKENS))
    if facts.data_tokens and facts.data_examples:
        return min(float(seq_len), facts.data_tokens / facts.data_examples)
    return seq_len * 0.5


@lru_cache(maxsize=256)
def _lora(rank: int, targets: str | tuple[str, ...]) -> EstimateLora:
    return EstimateLora(rank=rank, targets=targets)


def _targets(value: Any) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else tuple(str(v) for v in value)


def _teacher(method: str, shape: ModelShape, facts: Facts) -> tuple[ModelShape | None, ModelShape]:
    """Who teaches and who learns: a named teacher and this model, or this model and a student of half its size."""
    if not method.startswith(("distill", "on-policy")):
        return None, shape
    if facts.teacher_params_b:
        return shape_from_params(facts.teacher_params_b), shape
    return shape, shape_from_params((facts.model_params_b or 1.0) / 2)
