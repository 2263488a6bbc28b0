"""Merging an adapter into its base, tensor by tensor, and checking the result by its logits.

Sums are made in 32 bits and rounded once, to the base's own type. A pruned base is merged into under its mask.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from executors.artifact import sha256_of
from executors.merge.adapter import HEAD, Change, open_adapter, plan_changes
from executors.merge.delta import add_dora, add_lengths, add_lora, lora_delta
from executors.protocol import Inputs, Say, Stopped
from executors.prune.kept import pruned_tensors
from executors.tensors.continued import ContinuedWriter, identity_of
from executors.tensors.folder import copy_companions, open_model, write_json
from executors.tensors.source import read_tensor, require_finite, torch_dtype
from executors.tensors.writer import TensorSpec

if TYPE_CHECKING:
    import torch


def merge_adapter(inputs: Inputs, out: Path, say: Say) -> None:
    """Write base plus adapter below `out`. Raises AdvisorError when they do not belong together."""
    model = open_model(inputs.path("model"))
    adapter = open_adapter(inputs.path("adapter"))
    changes = plan_changes(model, adapter)
    pruned = set(pruned_tensors(model.path))
    specs = [TensorSpec.like(info) for info in model.tensors.values()]
    specs += [TensorSpec(name, c.base.dtype, c.base.shape) for name, c in changes.items() if name not in model.tensors]
    parts = [sha256_of(file) for file in sorted(adapter.path.iterdir()) if file.is_file()]
    identity = identity_of({"adapter": parts, "torch": version("torch")}, [model])
    with ContinuedWriter(inputs.scratch, out, specs, identity, say) as writer:
        for number, spec in enumerate(specs, start=1):
            if say.should_stop():
                raise Stopped
            if spec.name in writer.done:
                continue
            change = changes.get(spec.name)
            tensor = merged(change, spec.name in pruned) if change else read_tensor(model.tensors[spec.name])
            require_finite(spec.name, tensor)
            writer.write(spec.name, tensor)
            say.progress(number, len(specs), "tensors", spec.name)
    is_untied = HEAD in changes and HEAD not in model.tensors
    write_json(out / "config.json", {**model.config, "tie_word_embeddings": False} if is_untied else model.config)
    copy_companions(model.path, out)
    say.metric("changed_tensors", len(changes))


def merged(change: Change, keeps_zeros: bool = False) -> torch.Tensor:
    """One tensor of the merged model, in the base's type. `keeps_zeros`: what is zero in the base stays zero."""
    base = read_tensor(change.replacement or change.base)
    dtype = torch_dtype(change.base.dtype)
    weight = base.T if change.is_transposed else base
    if change.lengths is not None:
        result = add_lengths(weight, read_tensor(change.lengths))
        return (result.T if change.is_transposed else result).to(dtype).contiguous()
    if change.a is None or change.b is None:
        return base.to(dtype)
    delta = lora_delta(read_tensor(change.a), read_tensor(change.b), change.scale)
    if change.magnitude is None:
        result = add_lora(weight, delta)
    else:
        result = add_dora(weight, delta, read_tensor(change.magnitude))
    if keeps_zeros:
        result = result.masked_fill(weight == 0, 0)
    return (result.T if change.is_transposed else result).to(dtype).contiguous()
