"""AdamW whose steps are taken in float32 while the model computes in bfloat16.

A bfloat16 weight keeps 8 bits: a step smaller than 1/256 of it would be rounded away. The optimizer therefore steps
float32 masters and copies them into the model. Forward and backward pass stay in bfloat16 throughout, without the
casts that float32 adapters on a bfloat16 model need. Method: Micikevicius et al. 2018, Mixed Precision Training, 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class MasterStep:
    """Mixed in before a torch optimizer that was built over the masters. `pairs`: (model parameter, its master)."""

    pairs: Sequence[tuple[Any, Any]]

    def step(self, closure: Any = None) -> Any:
        """Gradients to the masters, one step there, masters back to the model."""
        import torch

        moved = [(parameter, master) for parameter, master in self.pairs if parameter is not master]
        for parameter, master in moved:
            master.grad = None if parameter.grad is None else parameter.grad.to(master.dtype)
        result = super().step(closure)  # type: ignore[misc]
        if moved:
            with torch.no_grad():
                torch._foreach_copy_([p for p, _ in moved], [m for _, m in moved])
            for _, master in moved:
                master.grad = None
        return result


def make_optimizer(model: Any, learning_rate: float) -> Any:
    """AdamW (betas 0.9, 0.999; no weight decay) over the trainable parameters, in their order in the model."""
    import torch

    pairs = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            is_short = parameter.dtype in (torch.bfloat16, torch.float16)
            pairs.append((parameter, parameter.detach().float() if is_short else parameter))
    kind: Any = type("MasterAdamW", (MasterStep, torch.optim.AdamW), {})
    optimizer = kind([master for _, master in pairs], lr=learning_rate, weight_decay=0.0, fused=True)
    optimizer.pairs = pairs
    return optimizer
