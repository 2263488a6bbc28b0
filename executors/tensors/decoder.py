"""A decoder that runs block by block: only one block's weights stand in memory at a time.

Blocks are built without storage and filled from a `TensorSource`. It serves calibration and comparisons of logits; it
keeps no cache of keys and values and does not generate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.domain.errors import AdvisorError
from executors.tensors.folder import read_json
from executors.tensors.source import TensorSource

if TYPE_CHECKING:
    import torch

    from executors.tensors.blocks import DecoderBlock, Rotary, Visit

ARCHITECTURES = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Architectures whose whole is embedding, rotary blocks, final norm, head, with nothing in between."""

HEAD_ROWS = 8192
"""Vocabulary rows widened to 32 bits at a time, so that the head never stands in memory twice."""


def require_architecture(arch: str) -> None:
    """Raise AdvisorError when blocks of this `model_type` cannot be run one by one."""
    if arch not in ARCHITECTURES:
        raise AdvisorError(
            f"the architecture {arch or '(none given)'} cannot be run block by block",
            why=f"supported are {', '.join(sorted(ARCHITECTURES))}",
            hint="choose a step that needs no calibration, e.g. magnitude pruning",
        )


def block_prefix(index: int) -> str:
    """What the names of a block's tensors start with."""
    return f"model.layers.{index}."


class StreamedDecoder:
    """Runs token ids through a model whose tensors come from `source`.

    `folder` gives config.json; `dtype` is the type it computes in. Raises AdvisorError for unknown architectures.
    """

    def __init__(self, source: TensorSource, folder: Path, dtype: torch.dtype, device: str = "cpu") -> None:
        self.config = read_json(folder / "config.json")
        require_architecture(str(self.config.get("model_type", "")))
        self.source = source
        self.dtype = dtype
        self.device = device
        self._folder = folder
        self._names = set(source.names())
        self._rotaries: dict[int, Rotary] = {}

    @property
    def block_count(self) -> int:
        return int(self.config["num_hidden_layers"])

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids [batch, length] to hidden states [batch, length, width]."""
        import torch

        table = self._read("model.embed_tokens.weight")
        return torch.nn.functional.embedding(ids, table).to(self.device, self.dtype)

    @contextmanager
    def block(self, index: int) -> Iterator[DecoderBlock]:
        """The block of that number with its weights; they are released on leaving."""
        import torch

        from executors.tensors.blocks import DecoderBlock

        prefix = block_prefix(index)
        with torch.device("meta"):
            block = DecoderBlock(self.config, lambda name: prefix + name in self._names)
        weights = {name: self._read(prefix + name).to(self.device, self.dtype) for name in block.state_dict()}
        block.load_state_dict(weights, assign=True, strict=True)
        block.requires_grad_(False)
        del weights
        try:
            yield block
        finally:
            block.to("meta")

    def through(self, block: DecoderBlock, hidden: torch.Tensor, visit: Visit | None = None) -> torch.Tensor:
        """Hidden states [batch, length, width] after one block, attention causal, no padding. See `Visit`."""
        import torch

        with torch.no_grad():
            after: torch.Tensor = block(hidden, self._rotary(hidden.shape[1]), visit)
        return after

    def _rotary(self, length: int) -> Rotary:
        from executors.tensors.rotary import rotary

        if length not in self._rotaries:
            cosines, sines = rotary(self.config, self._folder, length)
            self._rotaries[length] = cosines.to(self.device, self.dtype), sines.to(self.device, self.dtype)
        return self._rotaries[length]

    def head(self, hidden: torch.Tensor) -> torch.Tensor:
        """Hidden states [batch, length, width] to logits [batch, length, vocabulary] in 32 bits."""
        import torch

        from executors.tensors.blocks import Norm

        norm = Norm(hidden.shape[-1], float(self.config.get("rms_norm_eps", 1e-6)))
        norm.load_state_dict({"weight": self._read("model.norm.weight").to(self.device, self.dtype)}, assign=True)
        name = "lm_head.weight" if "lm_head.weight" in self._names else "model.embed_tokens.weight"
        table = self._read(name)
        with torch.no_grad():
            normed = norm(hidden).float()
            rows = table.split(HEAD_ROWS)
            return torch.cat([normed @ part.to(self.device, torch.float32).T for part in rows], dim=-1)

    def logits(self, prompts: list[torch.Tensor]) -> list[torch.Tensor]:
        """Logits [length, vocabulary] of each prompt, given as ids [length]; each block is read once for all."""
        hidden = [self.embed(ids.unsqueeze(0)) for ids in prompts]
        for index in range(self.block_count):
            with self.block(index) as block:
                hidden = [self.through(block, states) for states in hidden]
        return [self.head(states)[0].cpu() for states in hidden]

    def _read(self, name: str) -> torch.Tensor:
        if name not in self._names:
            raise AdvisorError(f"the model lacks tensor {name}", hint="fetch or copy the model again")
        return self.source.read(name)


def fast_place() -> tuple[str, torch.dtype]:
    """Device and type to calibrate in: the GPU when there is one, and 16 bits where the hardware multiplies them."""
    import torch

    if torch.cuda.is_available():
        return "cuda", torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return "cpu", torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
