"""What the ways to save memory saved in one training, measured on the model that was trained."""

from __future__ import annotations

from typing import Any

from executors.protocol import Say
from executors.training.config import TrainingConfig
from executors.training.optimizer import state_bytes
from executors.training.sharding import ShardedModel, blocks

ROW = 256
"""Tokens of the row on which activations are counted, at most: without recomputation a whole batch may not fit."""


def report_savings(trainer: Any, config: TrainingConfig, say: Say) -> None:
    """Say what is kept beside the weights, and what half precision and recomputation spare.

    `optimizer_state`: bytes kept by the optimizer. `weights_spared`: bytes that the weights take less than in float32.
    `activations_spared`: the share of what a forward pass keeps for the backward pass that is made again instead.
    """
    say.metric("optimizer_state", state_bytes(trainer.optimizer), "bytes")
    say.log(f"attention: {trainer.model.config._attn_implementation}")
    spared = sum((4 - p.element_size()) * p.numel() for p in trainer.model.parameters() if p.is_floating_point())
    if spared > 0:
        say.metric("weights_spared", spared, "bytes")
    if config.gradient_checkpointing and not isinstance(trainer, ShardedModel):
        say.metric("activations_spared", spared_activations(trainer.model, min(config.seq_len, ROW)), "share")


def spared_activations(model: Any, tokens: int) -> float:
    """Share of the bytes kept for the backward pass of one row that recomputation in each block spares."""
    import torch

    ids = torch.zeros((1, tokens), dtype=torch.long, device=model.device)
    was_training = model.training
    model.train()
    model.gradient_checkpointing_disable()
    usual = kept_bytes(model, ids)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    # The input of each block is what recomputation begins from; it is held outside of autograd's own keeping.
    inputs = len(blocks(model)) * tokens * model.config.get_text_config().hidden_size
    recomputed = kept_bytes(model, ids) + inputs * model.dtype.itemsize
    model.gradient_checkpointing_disable()
    model.train(was_training)
    return 1 - recomputed / usual


def kept_bytes(model: Any, ids: Any) -> int:
    """Bytes that autograd keeps for the backward pass of one forward pass, without the parameters themselves."""
    import torch

    known = {p.untyped_storage().data_ptr() for p in model.parameters()}
    found: dict[int, int] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(input_ids=ids, use_cache=False).logits
    # The graph holds every tensor that was counted until here, so that no address is used twice.
    del logits
    return sum(found.values())
