"""Whether a compressed model can be served: which bits a format gives, and whether the weights fit where it runs."""

from __future__ import annotations

from typing import Any

from advisor.domain.estimate import EstimateLora, EstimateModel, EstimateQuant, EstimateRequest
from advisor.domain.facts import Facts
from advisor.engine.estimate import estimate

FORMATS: dict[str, tuple[tuple[float, str], ...]] = {
    "awq": ((4, "awq"), (3, "awq")),
    "gptq": ((4, "gptq"), (3, "gptq"), (2, "gptq")),
    "bnb-nf4": ((4, "nf4"),),
    "bnb-int8": ((8, "int8"),),
    "fp8": ((8, "fp8"),),
    "int8-w8a8": ((8, "int8"),),
    "nvfp4": ((4, "nvfp4"),),
    "mxfp4": ((4, "mxfp4"),),
    "mxfp8": ((8, "mxfp8"),),
    "qat": ((4, "int4"), (3, "int3"), (2, "int2"), (8, "int8")),
    "gguf": ((8, "gguf"), (4, "gguf"), (3, "gguf"), (2, "gguf"), (2, "gguf-iq2_xs")),
}
"""Bits a format can be written in, and what the estimator calls it; the preferred first."""
GGUF_TYPES = {16: "F16", 8: "Q8_0", 4: "Q4_0", 3: "Q3_K_M", 2: "Q2_K"}
WRITTEN_HERE = frozenset({"F16", "Q8_0", "Q6_K", "Q5_1", "Q5_K_M", "Q5_0", "Q4_1", "Q4_K_M", "Q4_0", "Q3_K_M", "Q2_K"})
"""GGUF types that the quantize executor writes; those with a K through llama.cpp, without which it refuses them."""
BITS_WRITTEN_HERE = frozenset({8, 4, 3})
"""Of GPTQ and AWQ. Three bits save disk; servers have no fast kernels for them."""
SMALL = 1.0
"""Billions below which 8 bits are the conservative choice (source 002, section 2.1). Above it a GGUF file is written in
4 bits: on a CPU every weight is read for every token, and memory speed decides."""
RAM_SHARE = 0.85
"""Share of RAM that a served model may take."""
_NO_NAME, _NO_ADAPTER = EstimateModel(), EstimateLora()
"""Made once: building defaults is most of the cost of a request."""


def bits_for(technique_id: str, facts: Facts) -> tuple[tuple[float, str], ...]:
    """The precisions to try for a format on these facts, the preferred first."""
    offered = FORMATS[technique_id]
    if facts.serve_bits is not None:
        return tuple(offer for offer in offered if offer[0] == facts.serve_bits)
    if technique_id == "gguf" and (facts.model_params_b or 0.0) > SMALL:
        return tuple(offer for offer in offered if offer[0] <= 4)
    return offered


def fit(technique_id: str, facts: Facts) -> tuple[dict[str, Any], str]:
    """Settings of a quantization that can be served, or why it cannot: `(settings, "")` or `({}, reason)`."""
    offers = bits_for(technique_id, facts)
    if not offers:
        return {}, f"it is not written in {facts.serve_bits} bits"
    room = _room(facts)
    needed = 0.0
    for bits, kind in offers:
        needed = peak_gib(bits, kind, facts)
        if room is None or needed <= room:
            return _settings(technique_id, bits, kind), ""
    return {}, f"needs {needed:.1f} GiB to serve at {offers[-1][0]:g} bits; {room:.1f} are there"


def _room(facts: Facts) -> float | None:
    if facts.serve_target == "api" or facts.serve_gib is None:
        return None
    return facts.serve_gib * (RAM_SHARE if facts.serve_target in ("cpu", "edge") else 1.0)


def peak_gib(bits: float, kind: str, facts: Facts) -> float:
    """GiB to hold and run the model at that precision, keys and values of the served batch counted."""
    request = EstimateRequest.model_construct(
        model=_NO_NAME,
        lora=_NO_ADAPTER,
        shape=facts.model_shape,
        method="inference",
        quant=EstimateQuant.model_construct(bits=bits, type=kind, double=False),
        micro_batch=min(facts.serve_batch, 8),
        seq_len=min(facts.data_seq_len or 1024, 1024),
        count="allocated",
    )
    return estimate(request).peak_gib.expected


def _settings(technique_id: str, bits: float, kind: str) -> dict[str, Any]:
    if kind.startswith("gguf-"):
        return {"type": kind.removeprefix("gguf-").upper()}
    if technique_id == "gguf":
        return {"type": GGUF_TYPES[int(bits)]}
    return {"bits": int(bits)} if technique_id in ("gptq", "awq", "qat") else {}


def is_written_here(settings: dict[str, Any]) -> bool:
    """Whether the executor writes what the settings ask for."""
    return settings.get("type", "Q8_0") in WRITTEN_HERE and settings.get("bits", 4) in BITS_WRITTEN_HERE
