"""Hidden states of a model where they are wanted: in front of the output layer, and behind chosen layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def run_for_states(
    model: Any, bare: Any, ids: Any, positions: Any, layers: Sequence[int] = ()
) -> tuple[Any, list[Any]]:
    """States [wanted, width] that the output layer would read, and those behind `layers`, at `positions`.

    `ids`: int [batch, time], padded on the right; `positions`: bool [batch, time]. `model` is called, `bare` is the
    model without wrappers that spread it over devices. One position alone is turned into logits.
    """
    found: list[Any] = []
    between: dict[int, Any] = {}

    def before_head(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        found.append(inputs[0][:, -positions.shape[1] :][positions])
        return (inputs[0][:1, -1:], *inputs[1:])

    def behind(number: int) -> Any:
        def keep(_: Any, __: Any, output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output
            between[number] = states[:, -positions.shape[1] :][positions]

        return keep

    handles = [bare.get_output_embeddings().register_forward_pre_hook(before_head)]
    inside = blocks_of(bare)
    handles += [inside[number].register_forward_hook(behind(number)) for number in set(layers)]
    try:
        # Padding stands on the right, where a causal model cannot see it, so no mask is needed.
        model(input_ids=ids, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return found[-1], [between[number] for number in layers]


def blocks_of(model: Any) -> Any:
    """The decoder blocks of a model, adapters looked through."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return inner.get_decoder().layers
