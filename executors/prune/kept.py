"""Whether what a step left still holds the zeros that pruning set, and the ledger carried on to it.

A pruned model's ledger says how many zeros each tensor has. A later step may set more, never fewer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, ExitCode
from executors.protocol import Inputs
from executors.prune.layers import LEDGER, Ledger
from executors.tensors.folder import SINGLE, open_model, read_json, write_json
from executors.tensors.select import zeros_in
from executors.tensors.source import FolderSource, TensorSource


def carry_ledger(inputs: Inputs, out: Path, step: str) -> None:
    """Check the model below `out` against the ledger of the step's input and write its own. Nothing is done where the
    input was not pruned, where the step leaves no such weights (an adapter, a prompt), or where it carried the ledger
    itself. Raises AdvisorError when zeros were lost.
    """
    before = _ledger_of(inputs)
    source = _weights(out)
    if before is None or source is None or (out / LEDGER).is_file():
        return
    ledger = Ledger(before["method"], before["pattern"], before["sparsity"])
    names = set(source.names())
    for name, entry in before["tensors"].items():
        if name not in names:
            continue
        weight = source.read(name)
        zeros = zeros_in(weight)
        if zeros < entry["zeros"]:
            raise AdvisorError(
                f"{step} broke the sparsity of the model: {name} has {zeros} zeros and {int(entry['zeros'])} were kept",
                why=f"{before['method']} set {before['reached']:.1%} of the weights to zero before",
                hint="train with lora, whose updates and merge keep to the zeros, or choose a format that has an exact "
                "zero (Q8_0, Q4_0, gptq); or leave pruning out",
                code=ExitCode.RUN_FAILED,
            )
        ledger.add(name, zeros, weight.numel())
    write_json(out / LEDGER, ledger.content())


def pruned_tensors(folder: Path) -> list[str]:
    """Names of the tensors that a folder's ledger lists; none for a model that was not pruned."""
    return list(read_json(folder / LEDGER)["tensors"]) if (folder / LEDGER).is_file() else []


def _ledger_of(inputs: Inputs) -> dict[str, Any] | None:
    if "model" not in inputs.roles:
        return None
    folder = Path(inputs.path("model"))
    return read_json(folder / LEDGER) if (folder / LEDGER).is_file() else None


def _weights(out: Path) -> TensorSource | None:
    files = list(out.glob("*.gguf"))
    if len(files) == 1:
        from executors.export.gguf_source import GgufSource

        return GgufSource(files[0])
    if not (out / "config.json").is_file() or not any(out.glob(f"{Path(SINGLE).stem}*.safetensors")):
        return None
    model = open_model(out)
    return None if model.quantized else FolderSource(model)
