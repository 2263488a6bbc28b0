"""`ModelShape`: a decoder's dimensions, from which memory, FLOPs and file sizes follow."""

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
    shared_intermediate: int = 0
    """Width of all shared experts of a layer together; 0: `shared_experts` times the width of a routed one."""
    q_rank: int = 0
    """Latent attention (DeepSeek V2 and later): rank of the query projection; 0: queries are projected directly."""
    kv_rank: int = 0
    """Latent attention: rank of the compressed keys and values; 0: ordinary attention. With it, `head_dim` is the
    width of one query head (rotary part included)."""
    rope_head_dim: int = 0
    """Latent attention: the rotary part of `head_dim`, one key of that width shared by all heads."""
    value_head_dim: int = 0
    """Latent attention: width of one value head; 0 when it equals `head_dim`."""
    attention_bias: bool = False
    mlp_bias: bool = False
    learned_positions: int = 0
    extra_params: int = 0
    """Parameters outside the ordinary blocks and embeddings, e.g. the per-layer embeddings of Gemma 3n."""
    max_positions: int = 0
    dtype: str = "bfloat16"
    params: int | None = None
    """Exact parameter count where known (safetensors headers); otherwise computed from the dimensions."""
