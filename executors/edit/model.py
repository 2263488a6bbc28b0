"""A Llama-shaped model as an edit sees it: its layers, their down projections, and where a subject ends in a text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError

if TYPE_CHECKING:
    import torch

Change = Callable[["torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True)
class Editable:
    """A loaded model in 32 bits, its tokenizer, and its layers."""

    model: Any
    tokenizer: Any

    @property
    def layers(self) -> Any:
        return self.model.model.layers

    def down(self, layer: int) -> Any:
        """The down projection of a layer: where ROME finds facts stored."""
        return self.layers[layer].mlp.down_proj

    def batch(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and mask, padded on the right."""
        import torch

        rows = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        longest = max(len(row) for row in rows)
        pad = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        return ids, mask

    def subject_end(self, text: str, subject: str) -> int:
        """The index of the subject's last token in `text`. Raises AdvisorError when it is not in it."""
        start = text.find(subject)
        if start < 0:
            raise AdvisorError(f"{text!r} does not hold its subject {subject!r}")
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        last = start + len(subject)
        return max(n for n, (first, end) in enumerate(encoded["offset_mapping"]) if first < last and end > start)


def require_editable(model: Any) -> None:
    """Raises AdvisorError for a model without Llama's gated feed-forward layers."""
    layers = getattr(getattr(model, "model", None), "layers", None)
    if layers is None or not all(hasattr(getattr(layer, "mlp", None), "down_proj") for layer in layers):
        raise AdvisorError(
            f"facts of a {model.config.model_type} cannot be edited here",
            why="its layers have no mlp.down_proj",
            hint="Llama, Mistral, Qwen2 and Qwen3 have them",
        )


def fast() -> Any:
    """Inside, products are made in 16 bits where the hardware has them; sums and states stay in 32."""
    import torch

    from executors.models.device import choose_dtype

    is_wide = choose_dtype() is torch.float32
    return nullcontext() if is_wide else torch.autocast("cpu", dtype=torch.bfloat16)


@contextmanager
def only_first(editable: Editable, count: int) -> Iterator[None]:
    """Inside, the model computes its first `count` layers only: what lies behind them is not looked at."""
    whole = editable.model.model.layers
    editable.model.model.layers = whole[:count]
    try:
        yield
    finally:
        editable.model.model.layers = whole


@contextmanager
def output_changed(module: Any, change: Change) -> Iterator[None]:
    """Inside, the module's output goes through `change`."""

    def hook(_: Any, __: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (change(output[0]), *output[1:])
        return change(output)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def inputs_seen(module: Any, see: Callable[[torch.Tensor], None]) -> Iterator[None]:
    """Inside, `see` is given the input of the module each time it computes."""
    handle = module.register_forward_pre_hook(lambda _, inputs: see(inputs[0].detach()))
    try:
        yield
    finally:
        handle.remove()
