"""Stores a model in fewer bits: bitsandbytes for transformers, GGUF for llama.cpp, GPTQ, AWQ, INT8, FP8 for servers.

Without training. Every result is read back, compared with its source, and its logits are held against those of the
model it was made from.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic
from advisor.domain.plan import DataSpec
from executors.protocol import Inputs, Machine, Say

if TYPE_CHECKING:
    from executors.tensors.folder import ModelFolder

REQUIRES = ("torch", "transformers", "bitsandbytes", "compressed-tensors", "gguf", "safetensors", "numpy")

CALIBRATED = frozenset({"gptq", "awq", "int8-w8a8"})
COMPRESSED = CALIBRATED | {"fp8"}
"""Formats saved as compressed-tensors."""
BITS = {"bnb-int8": 8.1, "bnb-nf4": 4.2}
"""Bits per weight of the linear layers, scales included."""
GGUF_TYPES = ("F16", "Q8_0", "Q6_K", "Q5_1", "Q5_K_M", "Q5_0", "Q4_1", "Q4_K_M", "Q4_0", "Q3_K_M", "Q2_K")
"""The widest first. Those with a K are written by llama.cpp where it is installed."""


class Config(Frozen):
    """The format, its bits where there is a choice, and what it is calibrated with."""

    format: Literal["bnb-int8", "bnb-nf4", "gguf", "gptq", "awq", "int8-w8a8", "fp8"]
    type: (
        Literal["F16", "Q8_0", "Q6_K", "Q5_1", "Q5_K_M", "Q5_0", "Q4_1", "Q4_K_M", "Q4_0", "Q3_K_M", "Q2_K"] | None
    ) = None
    """GGUF only; Q8_0 when not given."""
    bits: Literal[3, 4, 8] | None = None
    """GPTQ and AWQ; 4 when not given."""
    group_size: Literal[16, 32, 64, 128, 256, 512, 1024] | None = None
    """GPTQ and AWQ: inputs that share a scale; when not given the largest of 128, 64 and 32 that divides the width of
    every layer."""
    symmetric: bool | None = None
    """GPTQ and AWQ: the range of a group is centred on 0. When not given true for gptq and for 8 bits."""
    data: DataSpec | None = None
    """Calibration text; needed by gptq, awq and int8-w8a8."""
    sequences: int = Field(default=64, ge=1, le=100_000)
    seq_len: int = Field(default=256, ge=8, le=1_000_000)
    """Tokens per calibration sequence."""

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        if self.format != "gguf" and self.type is not None:
            raise ValueError("`type` is for format gguf only")
        is_packed = self.format in ("gptq", "awq")
        if not is_packed and (self.bits or self.group_size or self.symmetric is not None):
            raise ValueError("`bits`, `group_size` and `symmetric` are for formats gptq and awq only")
        if self.format in CALIBRATED and self.data is None:
            raise ValueError(f"{self.format} needs `data` to calibrate with; bnb-nf4, gguf and fp8 need none")
        return self

    @property
    def is_symmetric(self) -> bool:
        """Whether ranges are centred on 0."""
        return self.symmetric if self.symmetric is not None else self.format != "awq" or self.bits == 8

    @property
    def form(self) -> str:
        """The GGUF type."""
        return self.type or "Q8_0"


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What would make this step fail, from configurations and headers alone."""
    from executors.tensors.checks import check_disk, check_model, check_ram, danger, warning

    model, found = check_model(inputs)
    if model is None:
        return found
    if inputs.roles["model"].kind == "adapter":
        return [danger("wrong-kind", "an adapter alone cannot be quantized", hint="merge it into its base first")]
    if inputs.roles["model"].kind == "sparse-lm":
        text = "the zeros of the pruned model are stored like any other weight"
        found.append(warning("zeros-stored", text, "no format written here keeps sparse weights smaller"))
    found += _check_zeros(config, model)
    if config.format in COMPRESSED:
        from executors.quantize.compressed_checks import check_compressed

        return found + check_compressed(config, model, machine)
    if config.format == "gguf":
        return found + _check_gguf(config.form, model, machine)
    size = model.params * BITS[config.format] / 8 + 2 * model.largest
    found += check_disk(size * 1.05, machine)
    return found + check_ram(size + model.largest, machine, "use format gguf, which streams tensor by tensor")


def _check_zeros(config: Config, model: ModelFolder) -> list[Diagnostic]:
    """Danger when a pruned model is to be written in a form that has no exact zero: the step would fail at its end."""
    from executors.export.gguf_form import WITHOUT_ZERO
    from executors.prune.layers import LEDGER
    from executors.tensors.checks import danger

    if config.format != "gguf" or config.form not in WITHOUT_ZERO or not (model.path / LEDGER).is_file():
        return []
    text = f"{config.form} does not keep the zeros of {model.path}"
    because = (
        "its whole numbers count from the lowest value of each block, so that zero is rounded like any other value"
    )
    return [danger("sparsity-lost", text, because, "use type Q8_0, Q5_0 or Q4_0, or format gptq, which keep them")]


def _check_gguf(form: str, model: ModelFolder, machine: Machine) -> list[Diagnostic]:
    from executors.export.gguf_form import K_BLOCK, K_QUANTS, file_bytes, require_exportable
    from executors.export.gguf_tokens import read_vocabulary
    from executors.export.llama_cpp_quantize import require_llama_cpp
    from executors.tensors.checks import check_disk, check_ram, refusal, warning

    found = []
    try:
        require_exportable(model, form)
        read_vocabulary(model.path, model.tensors["model.embed_tokens.weight"].shape[0])
        if form in K_QUANTS:
            require_llama_cpp(form)
            odd = [info for info in model.tensors.values() if len(info.shape) == 2 and info.shape[1] % K_BLOCK]
            if odd:
                text = f"{len(odd)} of {len(model.tensors)} tensors have rows that do not divide by {K_BLOCK}"
                found.append(warning("k-quant-rows", text, "llama.cpp stores those in a wider type; the file grows"))
    except AdvisorError as error:
        return [refusal("not-exportable", error)]
    # A K-quant is made from a 16-bit file that lies beside it meanwhile.
    size = file_bytes(model, form) + (file_bytes(model, "F16") if form in K_QUANTS else 0)
    return found + check_disk(size * 1.05, machine) + check_ram(6 * model.largest, machine, "free memory here")


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the quantized model below `out` and check it. Raises AdvisorError when it is not a likeness."""
    from executors.process.preload import importing
    from executors.tensors.folder import open_model

    text = None
    if config.format in CALIBRATED and config.data is not None:
        from executors.activations.text import CalibrationText

        # Before torch is imported: see there.
        text = CalibrationText(config.data, config.sequences, config.seq_len)
    with importing("torch"):
        model = open_model(inputs.path("model"))
        if text is not None:
            text.encode_with(model.path)
    if config.format == "gguf":
        from executors.quantize.to_gguf import to_gguf

        to_gguf(model, out, config.form, say)
    elif config.format in COMPRESSED:
        from executors.quantize.to_compressed import to_compressed

        to_compressed(config, inputs, model, text, out, say)
    else:
        from executors.quantize.to_bitsandbytes import to_bitsandbytes

        to_bitsandbytes(model, out, config.format, say)


def milder(config: Config) -> dict[str, Any] | None:
    """The next wider form of the same format; NF4 becomes 8 bits. None at 8 bits of a format and at F16."""
    if config.format == "gguf":
        from executors.export.gguf_form import WITHOUT_ZERO

        wider = GGUF_TYPES[: GGUF_TYPES.index(config.form)]
        # Not by way of llama.cpp, which may not be there, nor one that a pruned model could not take.
        plain = [form for form in wider if "K" not in form and form not in WITHOUT_ZERO]
        return {"type": plain[-1]} if plain else None
    if config.format == "bnb-nf4":
        return {"format": "bnb-int8"}
    return {"bits": 8} if config.format in ("gptq", "awq") and config.bits != 8 else None
