"""What speaks against a compressed-tensors step before it starts. Reads headers only, loads no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.domain.errors import AdvisorError, Diagnostic
from executors.activations.short import check_text
from executors.protocol import Machine
from executors.prune.layers import hessian_bytes, prunable, working_bytes
from executors.quantize.compressed_form import fitting_group, form_of
from executors.tensors.checks import check_disk, check_ram, danger, refusal
from executors.tensors.decoder import require_architecture
from executors.tensors.folder import ModelFolder
from executors.tensors.header import TensorInfo

if TYPE_CHECKING:
    from executors.quantize import Config


def check_compressed(config: Config, model: ModelFolder, machine: Machine) -> list[Diagnostic]:
    """Architecture, group size, disk and memory."""
    try:
        # Not for calibration alone: every linear layer of the model must be one that is written here.
        require_architecture(model.arch)
    except AdvisorError as error:
        return [refusal("unknown-architecture", error)]
    if config.data is not None and (short := check_text(config.data, model.path, config.seq_len)):
        return short
    targets = prunable(model)
    if not targets:
        return [danger("nothing-to-quantize", f"{model.path} has no linear layers inside decoder blocks")]
    form = form_of(config, targets)
    if form.layout == "pack-quantized" and (trouble := group_trouble(form.group, targets)):
        return [trouble]
    weights = sum(info.shape[0] * info.shape[1] for info in targets)
    kept = model.bytes - sum(info.bytes for info in targets)
    # Twice: finished blocks are kept beside the result until it stands.
    found = check_disk((kept + 2 * weights * form.bits_per_weight / 8) * 1.02, machine)
    need = 6 * model.largest
    if config.format != "fp8":
        need = working_bytes(model, config.sequences, config.seq_len) + hessian_bytes(targets)
    return found + check_ram(need, machine, "use fewer or shorter calibration sequences")


def group_trouble(group: int | None, targets: list[TensorInfo]) -> Diagnostic | None:
    """Why a group size does not fit these layers, with one that does; None when it fits."""
    if group is None:
        return danger("group-size", "no group size of 128, 64 or 32 divides the width of every layer")
    odd = next((info for info in targets if info.shape[1] % group), None)
    if odd is None:
        return None
    fitting = fitting_group(targets)
    return danger(
        "group-size",
        f"a group size of {group} does not divide the {odd.shape[1]} inputs of {odd.name}",
        hint=f"use group_size: {fitting}" if fitting else "use a format without groups",
    )
