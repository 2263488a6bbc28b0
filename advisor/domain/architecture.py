"""`ModelShape`: a decoder's dimensions, from which memory, FLOPs and file sizes follow."""

from __future__ import annotations

from pydantic import Field

from advisor.domain.base import Frozen


class ModelShape(Frozen):
    """Dimensions of a decoder-only transformer, as its `config.json` gives them."""

    name: str = ""
    arch: str = "llama"
    """`model_type` of the configuration."""
    layers: int = Field(gt=0)
    hidden: int = Field(gt=0)
    intermediate: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    vocab: int = Field(gt=0)
    tied: bool = False
    """Input and output embeddings share one tensor."""
    gated: bool = True
    """The feed-forward block has gate, up and down (three matrices), not two."""
    parallel: bool = False
    """Attention and feed-forward read the same normed input."""
    experts: int = 1
    experts_active: int = 1
    shared_experts: int = 0
    moe_intermediate: int = 0
    """Width of one routed expert; 0 when it equals `intermediate`."""
    moe_layers: int | None = None
    """How many layers are routed; None: all of them when `experts` is above 1."""
    attention_bias: bool = False
    mlp_bias: bool = False
    learned_positions: int = 0
    max_positions: int = 0
    dtype: str = "bfloat16"
    params: int | None = None
    """Exact parameter count where known (safetensors headers); otherwise computed from the dimensions."""
