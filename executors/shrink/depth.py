"""Cutting the depth: the layers that matter least are left out, the others move up.

One pass of the calibration text, each block read once; a killed pass goes on where it was kept last. By influence a
layer is judged by what it does to its input; by perplexity every model without one layer is run beside the whole one,
and its loss decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from executors.activations.text import calibration_ids
from executors.protocol import Say, Stopped
from executors.shrink.plan import STRUCTURE, Cut, cut_of
from executors.shrink.scores import best, influence
from executors.tensors.decoder import StreamedDecoder, block_prefix, fast_place
from executors.tensors.folder import ModelFolder, copy_companions, open_model, write_json
from executors.tensors.kept import KeptState
from executors.tensors.memory import give_back
from executors.tensors.source import FolderSource, read_tensor, require_finite
from executors.tensors.writer import TensorSpec, TensorWriter

if TYPE_CHECKING:
    import torch

    from executors.shrink import Config


def shrink_depth(config: Config, path: str, out: Path, say: Say, scratch: str = "") -> None:
    """Write the shallower model, its companions and the record of the cut below `out`."""
    import torch

    model = open_model(path)
    cut = cut_of(config, model)
    scores = measure_layers(config, cut, say, scratch)
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


def measure_layers(config: Config, cut: Cut, say: Say, scratch: str = "") -> list[float]:
    """The importance of each layer, in order. Where the pass stands is kept below `scratch`, to go on from there.

    Raises Stopped when asked to stop, AdvisorError for bad weights.
    """
    model = cut.model
    device, dtype = fast_place()
    decoder = StreamedDecoder(FolderSource(model), model.path, dtype, device)
    ids = calibration_ids(config.data, model.path, config.sequences, config.seq_len, say).to(device)
    measure: _Measure = _Influence() if config.measure == "influence" else _Perplexity()
    fingerprint = hashlib.sha256(memoryview(ids.cpu().numpy())).hexdigest()
    kept = KeptState(scratch, model, {**config.model_dump(mode="json"), "calibration": fingerprint}, say)
    passed, state = kept.read() or (-1, {"hidden": decoder.embed(ids)})
    for index in range(passed + 1, decoder.block_count):
        state = {name: tensor.to(device) for name, tensor in state.items()}
        with decoder.block(index) as block:
            state = measure.past(index, state, lambda hidden, block=block: decoder.through(block, hidden))  # type: ignore[misc]
        require_finite(f"{block_prefix(index)[:-1]} (its output)", state["hidden"])
        give_back()
        say.progress(index + 1, cut.layers, "layers", "importance")
        is_stopped = say.should_stop()
        kept.keep(index, state, is_stopped)
        if is_stopped:
            raise Stopped
    return measure.scores(state, decoder, ids)


_State = dict[str, "torch.Tensor"]
"""`hidden`: hidden states of the whole model; beside it what the measure remembers."""


class _Measure(Protocol):
    """How much a layer matters, found while the calibration text passes the layers one by one."""

    def past(self, index: int, state: _State, through: Callable[[torch.Tensor], torch.Tensor]) -> _State:
        """The state after layer `index`; `through` takes hidden states through it."""
        ...

    def scores(self, state: _State, decoder: StreamedDecoder, ids: torch.Tensor) -> list[float]:
        """The importance of every layer after the last one."""
        ...


class _Influence:
    """How much a layer turns its input."""

    def past(self, index: int, state: _State, through: Callable[[torch.Tensor], torch.Tensor]) -> _State:
        import torch

        after = through(state["hidden"])
        score = torch.tensor([influence(state["hidden"], after)], dtype=torch.float64)
        known = state["scores"].cpu() if "scores" in state else score[:0]
        return {"hidden": after, "scores": torch.cat((known, score))}

    def scores(self, state: _State, decoder: StreamedDecoder, ids: torch.Tensor) -> list[float]:
        found: list[float] = state["scores"].tolist()
        return found


class _Perplexity:
    """How much the mean loss rises without a layer, in nats per token."""

    def past(self, index: int, state: _State, through: Callable[[torch.Tensor], torch.Tensor]) -> _State:
        skipped = state["hidden"]
        # The model without this layer goes on with what came into it.
        return {**{name: through(hidden) for name, hidden in state.items()}, f"without {index}": skipped}

    def scores(self, state: _State, decoder: StreamedDecoder, ids: torch.Tensor) -> list[float]:
        base = _loss(decoder, state["hidden"], ids)
        return [_loss(decoder, state[f"without {index}"], ids) - base for index in range(len(state) - 1)]


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
