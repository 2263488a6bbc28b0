"""Tests of LoRA under a mask on a 4x4 matrix."""

from __future__ import annotations

import torch
from peft import LoraConfig, get_peft_model

from executors.adapters.masked import mask_layers

WEIGHT = torch.tensor([[1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, 3.0], [2.0, 0.0, 0.0, 1.0], [0.0, 4.0, 1.0, 0.0]])


class _One(torch.nn.Module):
    """One linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = torch.nn.Linear(4, 4, bias=False)
        self.proj.weight.data = WEIGHT.clone()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.proj(x)
        return found


def _masked() -> torch.nn.Module:
    torch.manual_seed(0)
    model = get_peft_model(_One(), LoraConfig(r=2, lora_alpha=4, target_modules=["proj"]))
    layer = model.base_model.model.proj
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    mask_layers(model, {"proj.weight"})
    return model


def test_the_output_is_that_of_the_masked_sum() -> None:
    """W + M * (s B A), written out: where W is zero the adapter adds nothing."""
    model = _masked()
    layer = model.base_model.model.proj
    update = 2 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    merged = WEIGHT + (WEIGHT != 0) * update
    x = torch.randn(3, 4)
    torch.testing.assert_close(model(x), x @ merged.T)
    assert model.masked_tensors == ("proj.weight",)


def test_gradients_flow_through_the_mask() -> None:
    """The gradients of A and B are those of the masked sum, and the base gets none."""
    model = _masked()
    layer = model.base_model.model.proj
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    x = torch.randn(3, 4)
    found = torch.autograd.grad(model(x).square().sum(), [a, b])
    merged = WEIGHT + (WEIGHT != 0) * (2 * b @ a)
    wanted = torch.autograd.grad((x @ merged.T).square().sum(), [a, b])
    torch.testing.assert_close(found, wanted)
    assert not layer.base_layer.weight.requires_grad


def test_taken_off_it_is_the_base() -> None:
    """With the adapter disabled the layer computes what it did before."""
    model = _masked()
    x = torch.randn(3, 4)
    with model.disable_adapter():
        torch.testing.assert_close(model(x), x @ WEIGHT.T)
