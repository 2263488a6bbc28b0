"""Cutting the depth: the layers that matter least are left out, the others move up.

One pass of the calibration text, each block read once. By influence a layer is judged by what it does to its input; by
perplexity every model without one layer is run beside the whole one, and its loss decides.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from executors.activations.text import calibration_ids
from executors.protocol import Say, Stopped
from executors.shrink.plan import STRUCTURE, Cut, cut_of
from executors.shrink.scores import best, influence
from executors.tensors.decoder import StreamedDecoder, block_prefix, fast_place
from executors.tensors.folder import ModelFolder, copy_companions, open_model, write_json
from executors.tensors.memory import give_back
from executors.tensors.source import FolderSource, read_tensor, require_finite
from executors.tensors.writer import TensorSpec, TensorWriter

if TYPE_CHECKING:
    import torch

    from executors.shrink import Config


def shrink_depth(config: Config, path: str, out: Path, say: Say) -> None:
    """Write the shallower model, its companions and the record of the cut below `out`."""
    import torch

    model = open_model(path)
    cut = cut_of(config, model)
    scores = measure_layers(config, cut, say)
    for index, score in enumerate(scores):
        say.metric("layer_importance", score, at=index)
    kept = best(torch.tensor(scores, dtype=torch.float64), cut.keep_layers).tolist()
    _write(model, kept, cut.layers, out, say)
    changed = cut.config(kept)
    # Neither heads nor neurons changed: what the configuration left out may stay out.
    same = ("num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size")
    write_json(out / "config.json", {k: v for k, v in changed.items() if k not in same or k in model.config})
    copy_companions(model.path, out)
    about = {"measure": config.measure, "importance": scores, "kept_layers": kept}
    write_json(out / STRUCTURE, {"schema": 1, "method": "depth", **about})
    say.log(f"layers {', '.join(str(n) for n in range(cut.layers) if n not in kept)} of {cut.layers} were removed")
    say.metric("parameters", open_model(out).params)


def measure_layers(config: Config, cut: Cut, say: Say) -> list[float]:
    """The importance of each layer, in order. Raises Stopped when asked to stop, AdvisorError for bad weights."""
    model = cut.model
    device, dtype = fast_place()
    decoder = StreamedDecoder(FolderSource(model), model.path, dtype, device)
    ids = calibration_ids(config.data, model.path, config.sequences, config.seq_len, say).to(device)
    measure = _by_influence if config.measure == "influence" else _by_perplexity

    def done(index: int) -> None:
        give_back()
        say.progress(index + 1, cut.layers, "layers", "importance")
        if say.should_stop():
            raise Stopped

    return measure(decoder, ids, done)


def _by_influence(decoder: StreamedDecoder, ids: torch.Tensor, done: Callable[[int], None]) -> list[float]:
    hidden, scores = decoder.embed(ids), []
    for index in range(decoder.block_count):
        with decoder.block(index) as block:
            after = decoder.through(block, hidden)
        require_finite(f"{block_prefix(index)[:-1]} (its output)", after)
        scores.append(influence(hidden, after))
        hidden = after
        done(index)
    return scores


def _by_perplexity(decoder: StreamedDecoder, ids: torch.Tensor, done: Callable[[int], None]) -> list[float]:
    """How much the mean loss rises without each layer, in nats per token."""
    whole = decoder.embed(ids)
    without: list[torch.Tensor] = []
    for index in range(decoder.block_count):
        with decoder.block(index) as block:
            skipped = whole
            whole = decoder.through(block, whole)
            require_finite(f"{block_prefix(index)[:-1]} (its output)", whole)
            without = [*(decoder.through(block, hidden) for hidden in without), skipped]
        done(index)
    base = _loss(decoder, whole, ids)
    return [_loss(decoder, hidden, ids) - base for hidden in without]


def _loss(decoder: StreamedDecoder, hidden: torch.Tensor, ids: torch.Tensor) -> float:
    """Mean nats per token, one sequence's logits at a time."""
    from torch.nn.functional import cross_entropy

    losses = [
        float(cross_entropy(decoder.head(states[None, :-1])[0], row[1:]))
        for states, row in zip(hidden, ids, strict=True)
    ]
    return sum(losses) / len(losses)


def _write(model: ModelFolder, kept: list[int], layers: int, out: Path, say: Say) -> None:
    names = {}
    for name in model.tensors:
        index = next((n for n in range(layers) if name.startswith(block_prefix(n))), None)
        if index is None:
            names[name] = name
        elif index in kept:
            names[name] = block_prefix(kept.index(index)) + name.removeprefix(block_prefix(index))
    infos = [(model.tensors[old], new) for old, new in names.items()]
    with TensorWriter(out, [TensorSpec(new, info.dtype, info.shape) for info, new in infos]) as writer:
        for number, (info, new) in enumerate(infos, start=1):
            if say.should_stop():
                raise Stopped
            tensor = read_tensor(info)
            require_finite(info.name, tensor)
            writer.write(new, tensor)
            say.progress(number, len(infos), "tensors", "writing")
