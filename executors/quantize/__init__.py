"""Stores a model in fewer bits: bitsandbytes int8 and NF4 for transformers, GGUF for llama.cpp.

Rounding only, without training or calibration. Every result is read back, compared with its source, and its logits
are held against those of the model it was made from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic
from executors.protocol import Inputs, Machine, Say

REQUIRES = ("torch", "transformers", "bitsandbytes", "gguf", "safetensors", "numpy")

BITS = {"bnb-int8": 8.1, "bnb-nf4": 4.2}
"""Bits per weight of the linear layers, scales included."""


class Config(Frozen):
    """The format, and for GGUF the type most tensors get."""

    format: Literal["bnb-int8", "bnb-nf4", "gguf"]
    type: Literal["F16", "Q8_0", "Q4_0"] | None = Field(default=None)
    """GGUF only; Q8_0 when not given."""

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        if self.format != "gguf" and self.type is not None:
            raise ValueError("`type` is for format gguf only")
        return self

    @property
    def form(self) -> str:
        """The GGUF type."""
        return self.type or "Q8_0"


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What would make this step fail, from configurations and headers alone."""
    from executors.tensors.checks import check_disk, check_model, check_ram, danger, refusal, warning

    model, found = check_model(inputs)
    if model is None:
        return found
    if inputs.roles["model"].kind == "adapter":
        return [danger("wrong-kind", "an adapter alone cannot be quantized", hint="merge it into its base first")]
    if inputs.roles["model"].kind == "sparse-lm":
        text = "the zeros of the pruned model are stored like any other weight"
        found.append(warning("zeros-stored", text, "neither format keeps sparse weights smaller"))
    if config.format == "gguf":
        from executors.export.gguf_form import file_bytes, require_exportable
        from executors.export.gguf_tokens import read_vocabulary

        try:
            require_exportable(model, config.form)
            read_vocabulary(model.path, model.tensors["model.embed_tokens.weight"].shape[0])
        except AdvisorError as error:
            found.append(refusal("not-exportable", error))
            return found
        found += check_disk(file_bytes(model, config.form) * 1.05, machine)
        return found + check_ram(6 * model.largest, machine, "free memory on this machine")
    size = model.params * BITS[config.format] / 8 + 2 * model.largest
    found += check_disk(size * 1.05, machine)
    return found + check_ram(size + model.largest, machine, "use format gguf, which streams tensor by tensor")


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the quantized model below `out` and check it. Raises AdvisorError when it is not a likeness."""
    from executors.tensors.folder import open_model

    model = open_model(inputs.path("model"))
    if config.format == "gguf":
        from executors.quantize.to_gguf import to_gguf

        to_gguf(model, out, config.form, say)
    else:
        from executors.quantize.to_bitsandbytes import to_bitsandbytes

        to_bitsandbytes(model, out, config.format, say)
