"""The training configuration that fits: a ladder from the preferred one down, and what each rung bought.

The physics is the estimator's; this decides which configurations are tried, in which order, and what "fits" means.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

from advisor.domain.architecture import ModelShape
from advisor.domain.estimate import EstimateLora, EstimateModel, EstimateRequest
from advisor.domain.facts import Facts
from advisor.domain.measurement import Correction
from advisor.engine import sharing
from advisor.engine.carriers import PREFIXES
from advisor.engine.estimate import effective_method, estimate, shape_of
from advisor.engine.estimate.corrections import corrected, correction_of
from advisor.engine.estimate.host import host_memory
from advisor.engine.estimate.precision import held_in
from advisor.engine.estimate.shapes import shape_from_params
from advisor.engine.estimate.workload import longest_sequence, precision_of
from advisor.engine.schedule import EFFECTIVE_BATCH

COMFORT = 0.80
"""Share of the free memory above which a fit is tight: fragmentation and a longer batch take the rest."""
GIVEN_COMFORT = 0.95
"""The same where the micro-batch was given and nothing is recomputed: the person knows the batch."""
GIVEN_CHECKPOINTED = 0.75
"""The same where the given micro-batch needs recomputation: that was not asked for, so it must buy clear room."""
ROOM = 0.90
"""The first configuration below this share is taken; a fuller one only when none is."""
MICRO_BATCHES = (4, 2, 1)
CPU_MICRO_BATCH = 8
"""On a CPU memory is seldom short and small batches waste cores."""
SHORTER = 512
"""Tokens per example tried last, when nobody said how long examples are."""
RAM_SHARE = 0.85
"""Share of free RAM that a step may take; the rest is the system's and the data loader's."""
_LORA, _NO_NAME = EstimateLora(rank=16), EstimateModel()
"""Made once: building defaults is most of the cost of a request."""
_DIVIDED = {
    "zero1": "the optimizer's states, each with the whole model,",
    "zero2": "gradients and optimizer states, and gather the model for each micro-batch,",
    "zero3": "the model",
}
STUDENT_SHARE = 0.5
"""Parameters of a distilled student against its teacher where nobody said."""


@dataclass(frozen=True)
class Rung:
    """One configuration on the ladder."""

    micro_batch: int
    seq_len: int
    gradient_checkpointing: bool = False
    optimizer: str = "adamw"
    sharding: str = "none"
    gpus: int = 1
    offload: bool = False
    targets: str = "all-linear"

    def config(self) -> dict[str, Any]:
        """As settings of a step."""
        settings: dict[str, Any] = {
            "micro_batch": self.micro_batch,
            "seq_len": self.seq_len,
            "gradient_checkpointing": self.gradient_checkpointing,
        }
        if self.optimizer != "adamw":
            settings["optimizer"] = self.optimizer
        if self.gpus > 1:
            settings |= {"sharding": self.sharding, "gpus": self.gpus}
        if self.offload:
            settings["offload"] = True
        if self.targets != "all-linear":
            settings["targets"] = self.targets
        return settings


@dataclass(frozen=True)
class Measure:
    """Something done so that a step fits, as a technique that accompanies it, and what it bought."""

    technique: str
    text: str


@dataclass(frozen=True)
class Fit:
    """The first rung that fits, or the nearest miss. GiB per GPU, or of RAM."""

    rung: Rung
    peak_gib: float
    free_gib: float
    fits: bool
    is_tight: bool = False
    measures: tuple[Measure, ...] = ()

    def why_not(self) -> str:
        """The misfit as numbers."""
        place = f"{self.rung.gpus} x {self.free_gib:.1f} GiB are" if self.rung.gpus > 1 else f"{self.free_gib:.1f} are"
        rung = f"at micro-batch {self.rung.micro_batch} and {self.rung.seq_len} tokens"
        extras = [
            "with checkpointing" if self.rung.gradient_checkpointing else "",
            "sharded" if self.rung.gpus > 1 else "",
        ]
        words = ", ".join(part for part in (rung, *extras) if part)
        each = " on each GPU" if self.rung.gpus > 1 else ""
        return f"needs {self.peak_gib:.1f} GiB{each} ({words}); {place} free"


class Ladder:
    """Tries configurations of one situation; remembers every estimate, since flips ask the same ones again."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], tuple[Need, ModelShape | None, tuple[Correction, ...]]] = {}
        """By the identity of shape and corrections, which are kept beside the need so that it stays unique."""

    def fit(self, method: str, facts: Facts, is_shared: bool = False) -> Fit:
        """The configuration in which `method` trains on these facts. Memory that is not known does not limit.

        `is_shared`: several GPUs were asked for, which goes before a smaller optimizer on one.
        """
        if facts.has_gpu:
            return self._fit(method, facts, facts.gpu_gib or 0.0, is_shared)
        return self._fit(method, facts, math.inf if facts.ram_gib is None else facts.ram_gib * RAM_SHARE)

    def _fit(self, method: str, facts: Facts, free: float, is_shared: bool = False) -> Fit:
        tried: list[Fit] = []
        for rung in rungs(method, facts, is_shared):
            if rung.gradient_checkpointing and method in PREFIXES:
                continue
            tried.append(self._try(method, facts, rung, free))
            if tried[-1].peak_gib <= ROOM * free:
                break
        fitting = [fit for fit in tried if fit.fits]
        if not fitting:
            return min(tried, key=lambda fit: fit.peak_gib)
        chosen = tried[-1] if tried[-1].peak_gib <= ROOM * free else fitting[0]
        measures = tuple(_measures(chosen, tried[0].peak_gib, facts))
        return replace(chosen, is_tight=self._is_tight(method, facts, free), measures=measures)

    def _try(self, method: str, facts: Facts, rung: Rung, free: float) -> Fit:
        needed = self._need(method, facts, rung)
        peak = needed.peak_gib
        if rung.offload:
            has_room = facts.ram_gib is not None and needed.weights_gib * rung.gpus <= facts.ram_gib * RAM_SHARE
            peak -= needed.weights_gib if has_room else 0.0
        return Fit(rung, peak, free, peak <= free)

    def _is_tight(self, method: str, facts: Facts, free: float) -> bool:
        """Whether it fits only by squeezing: the smallest sensible configuration takes most of the memory.

        With a given micro-batch, what fits at it without recomputation is not tight.
        """
        batch, seq_len = facts.train_micro_batch, facts.data_seq_len or SHORTER
        if batch is not None:
            plain = self._need(method, facts, Rung(batch, seq_len)).peak_gib
            if plain <= GIVEN_COMFORT * free:
                return False
        comfort = COMFORT if batch is None else GIVEN_CHECKPOINTED
        lean = Rung(batch or 1, seq_len, gradient_checkpointing=True)
        if self._need(method, facts, lean).peak_gib <= comfort * free:
            return False
        if facts.gpu_count > 1:
            shared = replace(lean, sharding=sharing.kind(facts), gpus=facts.gpu_count)
            return self._need(method, facts, shared).peak_gib > comfort * free
        return True

    def _need(self, method: str, facts: Facts, rung: Rung) -> Need:
        shape, taught = facts.model_shape, facts.corrections
        key = (method, id(shape), id(taught), facts.model_quantized, facts.teacher_params_b, facts.has_gpu, rung)
        if key not in self._known:
            self._known[key] = (need(method, facts, rung), shape, taught)
        return self._known[key][0]


class Need(NamedTuple):
    """GiB that decide whether a configuration fits: of one GPU, or of RAM where there is none."""

    peak_gib: float
    weights_gib: float


def need(method: str, facts: Facts, rung: Rung) -> Need:
    """The memory of a training in one configuration: the figure that its step's estimate shows."""
    asked = request(method, facts, rung)
    found = estimate(asked)
    if facts.has_gpu:
        peak = corrected(found.peak_gib, correction_of(facts, "gpu_gib", method))
    else:
        traits, _ = effective_method(asked)
        host = host_memory(shape_of(asked), asked, traits, facts, found)
        peak = corrected(host, correction_of(facts, "ram_gib", method))
    return Need(peak.expected, found.terms.weights)


def request(method: str, facts: Facts, rung: Rung) -> EstimateRequest:
    """The estimate request of a training step in one configuration."""
    shape, teacher = student_and_teacher(facts) if method.startswith(("distill", "on-policy")) else (None, None)
    return EstimateRequest.model_construct(
        model=_NO_NAME,
        quant=held_in(facts.model_quantized),
        attention="flash" if facts.has_gpu else "sdpa",
        shape=shape or facts.model_shape,
        teacher=teacher,
        method=method,
        precision=precision_of(facts, {}),
        micro_batch=rung.micro_batch,
        accumulation=max(1, EFFECTIVE_BATCH // rung.micro_batch),
        seq_len=longest_sequence(facts, rung.seq_len),
        gradient_checkpointing=rung.gradient_checkpointing,
        optimizer=rung.optimizer,
        lora=_LORA if rung.targets == _LORA.targets else EstimateLora(rank=_LORA.rank, targets=rung.targets),
        gpus=rung.gpus,
        sharding=cast(Any, rung.sharding),
        by_executors=True,
        count="nvml" if facts.has_gpu else "allocated",
    )


def student_and_teacher(facts: Facts) -> tuple[ModelShape | None, ModelShape | None]:
    """Who learns from whom: the model from a larger named teacher, or a half-size student from the model."""
    if facts.model_shape is None:
        return None, None
    if facts.teacher_params_b:
        return facts.model_shape, shape_from_params(facts.teacher_params_b)
    return shape_from_params((facts.model_params_b or 1.0) * STUDENT_SHARE), facts.model_shape


def rungs(method: str, facts: Facts, is_shared: bool = False) -> Iterator[Rung]:
    """Configurations from the preferred one down: batch, recomputation, optimizer states, sharding, length."""
    seq_len = facts.data_seq_len or SHORTER
    if not facts.has_gpu:
        yield Rung(facts.train_micro_batch or CPU_MICRO_BATCH, seq_len)
        yield Rung(1, seq_len)
        yield Rung(1, seq_len, gradient_checkpointing=True)
        return
    given = facts.train_micro_batch
    batches = (given,) if given is not None else MICRO_BATCHES
    yield from (Rung(batch, seq_len) for batch in batches)
    yield from (Rung(batch, seq_len, True) for batch in batches)
    smallest = batches[-1]
    if is_shared and facts.gpu_count > 1:
        asked = sharing.kind(facts)
        yield from (rung for rung in _shared(method, facts, smallest, seq_len, asked) if rung.optimizer == "adamw")
    yield Rung(smallest, seq_len, True, "adamw-8bit")
    if smallest > 1:
        yield Rung(1, seq_len, True, "adamw-8bit")
    if _adapts_experts(method, facts):
        yield Rung(1, seq_len, True, targets="attention")
    if facts.gpu_count > 1:
        yield from _shared(method, facts, smallest, seq_len)
    if seq_len > SHORTER and any(default.key == "data.seq_len" for default in facts.defaults):
        yield Rung(1, SHORTER, True, "adamw-8bit")
        if facts.gpu_count > 1:
            yield Rung(1, SHORTER, True, "adamw-8bit", "fsdp", facts.gpu_count)


def _adapts_experts(method: str, facts: Facts) -> bool:
    """Whether adapters on every matrix of a mixture would outweigh what they adapt: one pair per expert and layer."""
    return facts.model_shape is not None and facts.model_shape.experts > 1 and method.endswith("lora")


def _shared(method: str, facts: Facts, batch: int, seq_len: int, sharding: str = "fsdp") -> Iterator[Rung]:
    for micro_batch in dict.fromkeys((batch, 1)):
        yield Rung(micro_batch, seq_len, True, sharding=sharding, gpus=facts.gpu_count)
    yield Rung(1, seq_len, True, "adamw-8bit", "fsdp", facts.gpu_count)
    if "qlora" in method:
        yield Rung(1, seq_len, True, "adamw-8bit", "fsdp", facts.gpu_count, offload=True)


def _measures(fit: Fit, before: float, facts: Facts) -> Iterator[Measure]:
    rung, unit = fit.rung, "GiB per GPU" if facts.has_gpu else "GiB of RAM"
    saved = f"{before:.1f} -> {fit.peak_gib:.1f} {unit}"
    if rung.gradient_checkpointing:
        where = ", with adapters on the attention alone and not on every expert," if rung.targets == "attention" else ""
        text = f"Recomputing activations{where} makes it fit ({saved}) for a fifth more time."
        yield Measure("gradient-checkpointing", text)
    if rung.gpus > 1:
        how = ", with the weights parked in RAM" if rung.offload else ""
        name, what = sharing.FSDP, "the model"
        if rung.sharding != "fsdp":
            name, what = sharing.ZERO, _DIVIDED[rung.sharding]
        yield Measure(name, f"{rung.gpus} GPUs share {what}{how} ({saved}).")
