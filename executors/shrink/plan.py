"""What a cut leaves of a model's shape, from the configuration alone, and what making it needs. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError
from executors.prune.layers import working_bytes
from executors.tensors.folder import ModelFolder, read_json

if TYPE_CHECKING:
    from executors.shrink import Config

STRUCTURE = "structure.json"
"""What a smaller model says of how it was cut, beside its weights."""
EVEN = (64, 32, 16, 8, 4, 2, 1)
"""What the neurons left may be a multiple of: formats that share a scale between neighbours want even rows."""


@dataclass(frozen=True)
class Cut:
    """Sizes of a model before, and what is kept of them."""

    model: ModelFolder
    layers: int
    heads: int
    groups: int
    head_dim: int
    inner: int
    keep_layers: int
    keep_heads: int
    keep_groups: int
    keep_inner: int

    @property
    def heads_per_group(self) -> int:
        return self.heads // self.groups

    def config(self, kept_layers: list[int] | None = None) -> dict[str, Any]:
        """`config.json` of the smaller model. `kept_layers`: numbers of the layers that stay; None: all."""
        changed = {
            **self.model.config,
            "num_attention_heads": self.keep_heads,
            "num_key_value_heads": self.keep_groups,
            "head_dim": self.head_dim,
            "intermediate_size": self.keep_inner,
        }
        if kept_layers is not None:
            changed["num_hidden_layers"] = len(kept_layers)
            kinds = self.model.config.get("layer_types")
            if isinstance(kinds, list):
                changed["layer_types"] = [kinds[number] for number in kept_layers]
        return changed

    def working_bytes(self, config: Config) -> int:
        """Memory of measuring: a block, the batch inside it, and what the measure keeps."""
        need = working_bytes(self.model, config.sequences, config.seq_len)
        if config.method == "width" and config.refit:
            # The products of all inputs, of the kept ones, and their factor.
            widest = max(self.inner if config.neurons else 0, self.heads * self.head_dim if config.heads else 0)
            need += 4 * 4 * widest**2
        if config.method == "depth" and config.measure == "perplexity":
            hidden = int(self.model.config.get("hidden_size", 0))
            need += self.layers * config.sequences * config.seq_len * hidden * 2
        return need


def cut_of(config: Config, model: ModelFolder) -> Cut:
    """The cut that `config` means for `model`. Raises AdvisorError when the model has nothing to cut."""
    try:
        layers = int(model.config["num_hidden_layers"])
        heads = int(model.config["num_attention_heads"])
        groups = int(model.config.get("num_key_value_heads") or heads)
        head_dim = int(model.config.get("head_dim") or int(model.config["hidden_size"]) // heads)
        inner = int(model.config["intermediate_size"])
    except (KeyError, TypeError, ValueError) as error:
        raise AdvisorError(f"{model.path}/config.json does not give the model's shape", why=str(error)) from None
    keep_layers, keep_groups, keep_heads, keep_inner = layers, groups, heads, inner
    if config.method == "depth":
        if layers < 2:
            raise AdvisorError(f"{model.path} has {layers} layer, and one must stay", hint="cut its width instead")
        keep_layers = min(layers - 1, max(1, round(layers * (1 - config.layers))))
    else:
        if groups > 1:
            keep_groups = max(1, round(groups * (1 - config.heads)))
            keep_heads = keep_groups * (heads // groups)
        else:
            keep_heads = max(1, round(heads * (1 - config.heads)))
        keep_inner = _even(inner, config.neurons)
        if (keep_heads, keep_inner) == (heads, inner):
            raise AdvisorError(
                "nothing would be removed",
                why=f"of {groups} key-value groups and {inner} neurons these shares round to none",
                hint="raise neurons or heads",
            )
    return Cut(model, layers, heads, groups, head_dim, inner, keep_layers, keep_heads, keep_groups, keep_inner)


def _even(inner: int, share: float) -> int:
    """Neurons left: the nearest number that is a multiple as even as the width allows, at least one such."""
    step = next(size for size in EVEN if inner % size == 0 and size <= max(1, inner // 4))
    return min(inner, max(step, round(inner * (1 - share) / step) * step))


def kept_layers(folder: Path) -> list[int] | None:
    """Which layers of the larger model a folder's layers were; None when no layer was removed from it."""
    file = folder / STRUCTURE
    found = read_json(file).get("kept_layers") if file.is_file() else None
    return [int(number) for number in found] if isinstance(found, list) else None
