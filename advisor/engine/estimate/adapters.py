"""Adapters: how many parameters each kind trains, and what it keeps of every matrix's input and output for backward.

Read from PEFT's forward passes: LoRA and DoRA cast the input to the adapter's type per module; IA3 multiplies
outputs; prompt tuning lengthens the sequence; prefix tuning lengthens keys and values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from advisor.domain.architecture import ModelShape
from advisor.domain.errors import AdvisorError
from advisor.domain.record import record
from advisor.engine.estimate import constants as c
from advisor.engine.estimate import shapes
from advisor.engine.estimate.shapes import Linear

ATTENTION = frozenset(
    ["q_proj", "k_proj", "v_proj", "o_proj", "q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj"]
)
NAMES: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")},
    **dict.fromkeys(
        ("query_key_value", "qkv_proj", "Wqkv", "W_pack", "wqkv", "in_proj"), ("q_proj", "k_proj", "v_proj")
    ),
    **dict.fromkeys(("c_attn", "attn.c_attn"), ("q_proj", "k_proj", "v_proj")),
    **dict.fromkeys(("query", "wq", "q"), ("q_proj",)),
    **dict.fromkeys(("key", "wk", "k"), ("k_proj",)),
    **dict.fromkeys(("value", "wv", "v"), ("v_proj",)),
    **dict.fromkeys(("out_proj", "dense", "wo", "attn_out", "o"), ("o_proj",)),
    **dict.fromkeys(("fc1", "c_fc", "dense_h_to_4h", "fc_in", "w3", "linear_in"), ("up_proj",)),
    **dict.fromkeys(("fc2", "dense_4h_to_h", "fc_out", "w2", "linear_out"), ("down_proj",)),
    **dict.fromkeys(("w1",), ("gate_proj",)),
    "gate_up_proj": ("gate_proj", "up_proj"),
    "c_proj": ("o_proj", "down_proj"),
    "q_a_proj": ("q_a_proj",),
    "q_b_proj": ("q_b_proj",),
    "kv_a_proj_with_mqa": ("kv_a_proj_with_mqa",),
    "kv_b_proj": ("kv_b_proj",),
}
GROUPS = ("all-linear", "attention", "mlp")


@record
class Adapter:
    """Traits of one kind. Kept bytes are per element of a targeted matrix's input or output."""

    params: Callable[[ModelShape, tuple[Linear, ...], int], float]
    targets: str | tuple[str, ...] | None = None
    """Where it sits when it is not for the request to say."""
    keeps_input: bool = False
    """A copy of each matrix's input, in the type it computes in."""
    output_bytes: int = 0
    virtual_tokens: int = 0
    prefix_tokens: int = 0
    trains_norms: bool = False


def _low_rank(shape: ModelShape, targets: tuple[Linear, ...], rank: int) -> float:
    return float(sum(rank * (t.inputs + t.outputs) * t.copies for t in targets))


def _dora(shape: ModelShape, targets: tuple[Linear, ...], rank: int) -> float:
    return _low_rank(shape, targets, rank) + sum(t.outputs * t.copies for t in targets)


def _vectors(shape: ModelShape, targets: tuple[Linear, ...], rank: int) -> float:
    return float(sum((t.inputs if t.name == "down_proj" else t.outputs) * t.copies for t in targets))


def _scale_and_bias(shape: ModelShape, targets: tuple[Linear, ...], rank: int) -> float:
    return sum(2.0 * t.outputs * t.copies for t in targets) + shapes.small_params(shape)


ADAPTERS: dict[str, Adapter] = {
    "lora": Adapter(_low_rank, keeps_input=True),
    # base output in 16 bits for the magnitude's gradient, the low-rank output in fp32 beside it
    "dora": Adapter(_dora, keeps_input=True, output_bytes=c.HALF + c.FP32),
    # frozen random matrices shared by all layers, trained vectors after each: the second keeps its input, the output
    "vera": Adapter(lambda s, t, r: float(sum((r + x.outputs) * x.copies for x in t)), output_bytes=c.FP32),
    # the input is summed or gathered to a few features before anything trained sees it
    "reduced-input": Adapter(lambda s, t, r: float(sum(r * x.outputs * x.copies for x in t))),
    "ia3": Adapter(_vectors, targets=("k_proj", "v_proj", "down_proj"), output_bytes=c.FP32),
    "prompt-tuning": Adapter(lambda s, t, r: c.VIRTUAL_TOKENS * s.hidden, targets=(), virtual_tokens=c.VIRTUAL_TOKENS),
    "prefix-tuning": Adapter(
        lambda s, t, r: 2 * c.VIRTUAL_TOKENS * s.layers * s.kv_heads * s.head_dim,
        targets=(),
        prefix_tokens=c.VIRTUAL_TOKENS,
    ),
    "bottleneck": Adapter(
        lambda s, t, r: 4 * s.layers * s.hidden * c.BOTTLENECK, targets=("o_proj", "down_proj"), output_bytes=c.FP32
    ),
    "adaption-prompt": Adapter(
        lambda s, t, r: min(c.ADAPTION_LAYERS, s.layers) * (c.ADAPTION_TOKENS * s.hidden + 1),
        targets=("q_proj",),
        output_bytes=c.HALF,
    ),
    "scale-and-bias": Adapter(_scale_and_bias, targets="all-linear", output_bytes=c.HALF, trains_norms=True),
    "ln-tuning": Adapter(
        lambda s, t, r: shapes.norms_per_layer(s) * s.layers * s.hidden, targets=(), trains_norms=True
    ),
}


@lru_cache(maxsize=1024)
def targets_of(shape: ModelShape, targets: str | tuple[str, ...]) -> tuple[Linear, ...]:
    """The matrices an adapter sits on. Raises `AdvisorError` naming the nearest name for one that is unknown."""
    here = shapes.linears(shape)
    if isinstance(targets, str):
        if targets in ("all-linear", "all"):
            return tuple(linear for linear in here if linear.part != "router")
        if targets == "attention":
            return tuple(linear for linear in here if linear.name in ATTENTION)
        if targets == "mlp":
            return tuple(linear for linear in here if linear.part in ("mlp", "expert"))
        targets = tuple(part.strip() for part in targets.split(","))
    wanted: set[str] = set()
    for name in targets:
        last = name.rsplit(".", 1)[-1]
        if last in GROUPS:
            wanted |= {linear.name for linear in targets_of(shape, last)}
        elif last in NAMES:
            wanted |= set(NAMES[last])
        else:
            raise _unknown(name)
    return tuple(linear for linear in here if linear.name.removeprefix("shared_") in wanted)


def _unknown(name: str) -> AdvisorError:
    import difflib

    close = difflib.get_close_matches(name, [*NAMES, *GROUPS], n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}?" if close else f"one of: {', '.join((*GROUPS, *NAMES))}"
    return AdvisorError(f"lora.targets: no matrix is called {name!r}", hint=hint)
