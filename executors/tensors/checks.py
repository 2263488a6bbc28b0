"""What a step over model weights checks before it starts, as diagnostics. Reads headers only, loads no torch."""

from __future__ import annotations

from pathlib import Path

from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from executors.protocol import Inputs, Machine
from executors.tensors.folder import ModelFolder, open_model

GIB = 2**30
LIBRARIES_GIB = 0.7
"""Resident memory of a worker that has imported torch and transformers and read no weight yet."""


def check_model(inputs: Inputs, role: str = "model") -> tuple[ModelFolder | None, list[Diagnostic]]:
    """The model of that role, dense and undamaged; or None with the reasons why not.

    A builtin model that was not imported yet is None without a reason: the step itself imports it.
    """
    if role not in inputs.roles:
        return None, [danger("missing-input", f"this step needs a {role}, and the plan gives it none")]
    path = inputs.path(role)
    if path.startswith("builtin:"):
        from executors.models.builtin import cache_folder

        folder = Path(cache_folder(path))
        if not (folder / "config.json").is_file():
            return None, []
        path = str(folder)
    try:
        model = open_model(path)
    except AdvisorError as error:
        return None, [refusal("unusable-model", error)]
    if model.quantized:
        return None, [
            danger(
                "quantized-input",
                f"{path} is quantized ({model.quantized}), and this step needs 16- or 32-bit weights",
                "its result would be rounded twice",
                "give the unquantized model it was made from; an adapter trained on a 4-bit base fits the 16-bit one",
            )
        ]
    return model, []


def check_disk(need_bytes: float, machine: Machine) -> list[Diagnostic]:
    """Danger when what will be written does not fit on the disk."""
    free = machine.disk_free_gib
    if free is None or need_bytes / GIB <= free:
        return []
    text = f"the result needs {need_bytes / GIB:.2f} GiB of disk and {free:.2f} GiB are free"
    return [danger("disk-full", text, hint="free disk space, or choose another folder with --run-dir")]


def check_ram(need_bytes: float, machine: Machine, hint: str) -> list[Diagnostic]:
    """Danger when the working set, libraries included, is larger than the free memory."""
    free = machine.ram_free_gib
    need = need_bytes / GIB + LIBRARIES_GIB
    if free is None or need <= free:
        return []
    return [danger("memory", f"this step needs about {need:.1f} GiB of memory and {free:.1f} GiB are free", hint=hint)]


def refusal(code: str, error: AdvisorError) -> Diagnostic:
    """An expected error as a diagnostic."""
    return danger(code, error.what, error.why, error.hint)


def danger(code: str, text: str, because: str = "", hint: str = "") -> Diagnostic:
    return Diagnostic(severity=Severity.DANGER, code=code, text=text, because=because, hint=hint)


def warning(code: str, text: str, because: str = "", hint: str = "") -> Diagnostic:
    return Diagnostic(severity=Severity.WARNING, code=code, text=text, because=because, hint=hint)
