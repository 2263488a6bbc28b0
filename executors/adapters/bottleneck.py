"""Bottleneck adapters: a small layer down and up again behind the feed-forward layer of each block, own implementation.

Houlsby et al. 2019, Parameter-Efficient Transfer Learning for NLP, section 2.1: behind attention and feed-forward,
h + up(act(down(h))), begun as the identity. Pfeiffer et al. 2021, AdapterFusion, section 3.2.2: behind the feed-forward
layer alone. They stand in hooks, so no tensor of the base changes its name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from advisor.domain.errors import AdvisorError
from executors.tensors.folder import read_json, write_json

KIND = "BOTTLENECK"
ATTENTIONS = ("self_attn", "attn", "attention", "self_attention")
FEEDFORWARDS = ("mlp", "feed_forward", "block_sparse_moe")
PLACES = {"pfeiffer": (FEEDFORWARDS,), "houlsby": (ATTENTIONS, FEEDFORWARDS)}
HOLDER = "bottlenecks"
"""Name of the module that holds them, inside the model."""


class Bottleneck(nn.Module):
    """h + up(relu(down(h))) for h [..., width]; the identity at first, since `up` begins at zero."""

    def __init__(self, width: int, rank: int, like: Any) -> None:
        super().__init__()
        self.down = nn.Linear(width, rank, device=like.device, dtype=like.dtype)
        self.up = nn.Linear(rank, width, device=like.device, dtype=like.dtype)
        nn.init.normal_(self.down.weight, std=width**-0.5)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Any) -> Any:
        added: Any = self.up(torch.relu(self.down(hidden)))
        return hidden + added


class Bottlenecks(nn.Module):
    """All bottlenecks of a model by the adapter's name. `active`: which are applied, in this order, one on another."""

    def __init__(self) -> None:
        super().__init__()
        self.named = nn.ModuleDict()
        self.settings: dict[str, tuple[int, str]] = {}
        self.active: tuple[str, ...] = ()

    def apply_at(self, place: str, output: Any) -> Any:
        """The output of the module at `place`, which may be a tuple, with every active adapter applied."""
        first = output[0] if isinstance(output, tuple) else output
        for name in self.active:
            adapter: Any = self.named[name]
            first = adapter[place](first) if place in adapter else first
        return (first, *output[1:]) if isinstance(output, tuple) else first


def add_bottlenecks(model: Any, rank: int, placement: str, name: str = "default") -> Any:
    """The same model with fresh bottlenecks, everything else frozen. Raises AdvisorError for a model without blocks."""
    modules = _places(model, placement)
    holder = _holder(model)
    width = model.config.get_text_config().hidden_size
    like = model.get_input_embeddings().weight
    holder.named[name] = nn.ModuleDict({place: Bottleneck(width, rank, like) for place in modules})
    holder.settings[name] = (rank, placement)
    holder.active = (name,)
    model.requires_grad_(False)
    holder.named[name].requires_grad_(True)
    return model


def save_bottlenecks(model: Any, folder: Path, base: str, name: str = "default") -> None:
    """Write the named adapter: its tensors alone, and what is needed to build it again."""
    from safetensors.torch import save_file

    holder = getattr(model, HOLDER)
    rank, placement = holder.settings[name]
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: t.detach().cpu().contiguous() for key, t in holder.named[name].state_dict().items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = {"peft_type": KIND, "rank": rank, "placement": placement, "base_model_name_or_path": base}
    write_json(folder / "adapter_config.json", settings)


def load_bottlenecks(model: Any, folder: Path, name: str = "default") -> Any:
    """The model with the adapter from a folder. Raises AdvisorError when it was made for another model."""
    from safetensors.torch import load_file

    settings = read_json(folder / "adapter_config.json")
    rank, placement = settings.get("rank"), settings.get("placement")
    if not isinstance(rank, int) or rank < 1 or placement not in PLACES:
        raise AdvisorError(f"the adapter in {folder} does not say how it is built", why=f"rank {rank}, {placement}")
    add_bottlenecks(model, rank, placement, name)
    try:
        getattr(model, HOLDER).named[name].load_state_dict(load_file(folder / "adapter_model.safetensors"))
    except RuntimeError as error:
        why = str(error).splitlines()[-1].strip()[:300]
        raise AdvisorError(f"the adapter in {folder} does not fit this model", why=why) from None
    return model


def _holder(model: Any) -> Bottlenecks:
    """The model's own holder; made, with a hook at every place, when it has none."""
    found = getattr(model, HOLDER, None)
    if isinstance(found, Bottlenecks):
        return found
    holder = Bottlenecks()
    model.add_module(HOLDER, holder)
    for place, module in _places(model, "houlsby").items():
        module.register_forward_hook(lambda _, __, output, place=place: holder.apply_at(place, output))
    return holder


def _places(model: Any, placement: str) -> dict[str, Any]:
    """The modules whose output is adapted, by `<block>_<module>`: a key of a ModuleDict holds no dot."""
    blocks = max(
        (m for n, m in model.named_modules() if isinstance(m, nn.ModuleList) and not n.startswith(HOLDER)),
        key=len,
        default=(),
    )
    found: dict[str, Any] = {}
    for number, block in enumerate(blocks):
        for names in PLACES[placement]:
            name = next((n for n in names if isinstance(getattr(block, n, None), nn.Module)), None)
            if name is None:
                raise AdvisorError("bottleneck adapters do not fit this model", why=f"a block has none of {names}")
            found[f"{number}_{name}"] = getattr(block, name)
    if not found:
        raise AdvisorError("bottleneck adapters do not fit this model", why="it has no list of blocks")
    return found
