"""One decoder block of the Llama family, computed part by part: rotary attention on grouped heads, gated neurons.

For passing many sequences through one block at a time. A part of the batch stays in the processor's cache from one
operation to the next, and parts go side by side on the threads there are, which is about twice as fast on a CPU as
operation after operation over the whole batch. It keeps no cache of keys and values; it does not generate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from executors.tensors.parts import each

PART_TOKENS = {"cpu": 1024, "cuda": 16384}
"""Tokens that are computed at a time, at least one sequence."""
PANEL = 128
"""Queries that look back at a time: what lies behind a panel is not computed."""

Visit = Callable[[tuple[str, ...], torch.Tensor], None]
"""Called before linear layers compute: the names inside the block of those that share an input, and that input
[batch, length, features]. It may change their weights; what follows already computes with the changed ones."""
Rotary = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines [length, head size] of the positions."""


class Norm(torch.nn.Module):
    """x over its root mean square, times a weight; the mean in 32 bits (Zhang & Sennrich 2019, arXiv 1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(width), requires_grad=False)
        self.eps = eps

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        wide = given.to(torch.float32, copy=True)
        # The norm is one pass without a copy of the squares.
        length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        scale = length.square_().div_(wide.shape[-1]).add_(self.eps).rsqrt_()
        return wide.mul_(scale).to(given.dtype).mul_(self.weight)


class Attention(torch.nn.Module):
    """Causal attention of `heads` query heads on `groups` key-value heads, without padding."""

    def __init__(self, config: dict[str, Any], has: Callable[[str], bool]) -> None:
        super().__init__()
        width, self.heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        self.groups = int(config.get("num_key_value_heads") or self.heads)
        self.size = head_size(config)
        inner, shared = self.heads * self.size, self.groups * self.size
        self.q_proj = torch.nn.Linear(width, inner, bias=has("self_attn.q_proj.bias"))
        self.k_proj = torch.nn.Linear(width, shared, bias=has("self_attn.k_proj.bias"))
        self.v_proj = torch.nn.Linear(width, shared, bias=has("self_attn.v_proj.bias"))
        self.o_proj = torch.nn.Linear(inner, width, bias=has("self_attn.o_proj.bias"))
        self.q_norm, self.k_norm = (
            Norm(self.size, _eps(config)) if has(f"self_attn.{name}.weight") else None for name in ("q_norm", "k_norm")
        )

    def mix(self, given: torch.Tensor, rotary: Rotary, out: torch.Tensor) -> None:
        """What goes into `o_proj`, into `out` [batch, length, heads x size]."""
        query = self._rotated(self.q_proj(given), self.q_norm, rotary)
        key = self._rotated(self.k_proj(given), self.k_norm, rotary)
        value = self._by_head(self.v_proj(given))
        place = self._by_head(out)
        if given.device.type == "cpu" and given.dtype is torch.bfloat16:
            _attend(query, key, value, place)
        else:
            place.copy_(functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True))

    def _by_head(self, states: torch.Tensor) -> torch.Tensor:
        return states.unflatten(-1, (-1, self.size)).transpose(1, 2)

    def _rotated(self, states: torch.Tensor, norm: Norm | None, rotary: Rotary) -> torch.Tensor:
        states = states.unflatten(-1, (-1, self.size))
        states = (states if norm is None else norm(states)).transpose(1, 2)
        cosines, sines = rotary
        first, second = states.chunk(2, dim=-1)
        return (states * cosines).addcmul_(torch.cat((-second, first), dim=-1), sines)


class Neurons(torch.nn.Module):
    """down(act(gate(x)) * up(x))."""

    def __init__(self, config: dict[str, Any], has: Callable[[str], bool]) -> None:
        super().__init__()
        width, inner = int(config["hidden_size"]), int(config["intermediate_size"])
        self.gate_proj = torch.nn.Linear(width, inner, bias=has("mlp.gate_proj.bias"))
        self.up_proj = torch.nn.Linear(width, inner, bias=has("mlp.up_proj.bias"))
        self.down_proj = torch.nn.Linear(inner, width, bias=has("mlp.down_proj.bias"))
        self.act = _activation(str(config.get("hidden_act") or "silu"))

    def inner(self, given: torch.Tensor, out: torch.Tensor) -> None:
        """What goes into `down_proj`, into `out`."""
        torch.mul(self.act(self.gate_proj(given)), self.up_proj(given), out=out)


class DecoderBlock(torch.nn.Module):
    """A block whose tensors have the names they have in the model's folder. `has(name)`: whether there is a tensor of
    that name, which decides on biases and on norms of queries and keys."""

    def __init__(self, config: dict[str, Any], has: Callable[[str], bool]) -> None:
        super().__init__()
        width = int(config["hidden_size"])
        self.input_layernorm = Norm(width, _eps(config))
        self.self_attn = Attention(config, has)
        self.post_attention_layernorm = Norm(width, _eps(config))
        self.mlp = Neurons(config, has)

    def forward(self, hidden: torch.Tensor, rotary: Rotary, visit: Visit | None = None) -> torch.Tensor:
        """Hidden states [batch, length, width] after the block; what was given stays as it is."""
        tell = visit or (lambda names, inputs: None)
        attention, mlp = self.self_attn, self.mlp
        given = torch.empty_like(hidden)
        _in_parts(lambda part, out: out.copy_(self.input_layernorm(part)), hidden, given)
        tell(("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), given)
        mixed = hidden.new_empty(*hidden.shape[:2], attention.heads * attention.size)
        _in_parts(lambda part, out: attention.mix(part, rotary, out), given, mixed)
        tell(("self_attn.o_proj",), mixed)
        after = torch.empty_like(hidden)

        def between(part: torch.Tensor, before: torch.Tensor, out: torch.Tensor, normed: torch.Tensor) -> None:
            torch.add(before, attention.o_proj(part), out=out)
            normed.copy_(self.post_attention_layernorm(out))

        _in_parts(between, mixed, hidden, after, given)
        del mixed
        tell(("mlp.gate_proj", "mlp.up_proj"), given)
        inner = hidden.new_empty(*hidden.shape[:2], mlp.down_proj.in_features)
        _in_parts(mlp.inner, given, inner)
        tell(("mlp.down_proj",), inner)
        _in_parts(lambda part, out: out.add_(mlp.down_proj(part)), inner, after)
        return after


def head_size(config: dict[str, Any]) -> int:
    """Features of one head, from a model's config.json."""
    return int(config.get("head_dim") or int(config["hidden_size"]) // int(config["num_attention_heads"]))


def _in_parts(work: Callable[..., object], *tensors: torch.Tensor) -> None:
    """Do `work` on the same few sequences of all tensors at a time, parts side by side."""
    sequences, length = tensors[0].shape[:2]
    size = max(1, PART_TOKENS[tensors[0].device.type] // length)
    places = [slice(start, start + size) for start in range(0, sequences, size)]
    is_threaded = tensors[0].device.type == "cpu"
    each(lambda place: work(*(tensor[place] for tensor in tensors)), places, is_threaded)


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, out: torch.Tensor) -> None:
    """Causal attention [batch, heads, length, size] by matrix products in 16 bits, which a CPU multiplies much faster
    than the fused kernel runs there. The query heads that share keys and values are rows of one product."""
    batch, heads, length, size = query.shape
    groups = key.shape[1]
    keys, values = (part.reshape(batch * groups, length, size) for part in (key, value))
    keys = keys.transpose(1, 2)
    scaled = query * size**-0.5
    for start in range(0, length, PANEL):
        stop = min(start + PANEL, length)
        rows = scaled[:, :, start:stop].reshape(batch * groups, -1, size)
        scores = torch.bmm(rows, keys[:, :, :stop])
        future = torch.full((stop - start, stop - start), float("-inf"), dtype=scores.dtype).triu_(1)
        scores.view(batch * groups, heads // groups, stop - start, stop)[..., start:].add_(future)
        mixed = torch.bmm(torch.softmax(scores, dim=-1), values[:, :stop])
        out[:, :, start:stop] = mixed.view(batch, heads, stop - start, size)


def _eps(config: dict[str, Any]) -> float:
    return float(config.get("rms_norm_eps", 1e-6))


def _activation(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
    if name == "silu":
        return functional.silu
    from transformers.activations import ACT2FN

    found: Callable[[torch.Tensor], torch.Tensor] = ACT2FN[name]
    return found
