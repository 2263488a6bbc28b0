"""The counted activations against the tensors that autograd really saves, on tiny models of several families."""

from __future__ import annotations

import pytest

from advisor.domain.estimate import EstimateLora, EstimateRequest
from advisor.engine.estimate.activations import kept
from advisor.engine.estimate.methods import method_of
from advisor.engine.estimate.precision import sizes_of
from advisor.engine.estimate.training import adapter_of
from advisor.probe.model_config import shape_from_config

BATCH, LENGTH = 2, 64
_COMMON = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 96}
_GROUPED = {**_COMMON, "intermediate_size": 176, "num_key_value_heads": 2}
FAMILIES = {
    "llama": {**_GROUPED, "model_type": "llama"},
    "qwen3": {**_GROUPED, "model_type": "qwen3", "head_dim": 16},
    "mixtral": {**_GROUPED, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2},
    "gpt_neox": {**_COMMON, "model_type": "gpt_neox", "intermediate_size": 256},
    "phi": {**_COMMON, "model_type": "phi", "intermediate_size": 256, "hidden_act": "gelu"},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "method", "precision", "attention"),
    [
        ("llama", "full", "fp32", "sdpa"),
        ("llama", "full", "bf16", "sdpa"),
        ("llama", "full", "bf16-mixed", "sdpa"),
        ("llama", "full", "bf16", "eager"),
        ("llama", "lora", "bf16", "sdpa"),
        ("llama", "lora", "fp32", "sdpa"),
        ("llama", "lora", "bf16", "eager"),
        ("qwen3", "full", "bf16", "sdpa"),
        ("qwen3", "lora", "bf16", "sdpa"),
        ("mixtral", "full", "bf16", "sdpa"),
        ("gpt_neox", "full", "bf16", "sdpa"),
        ("gpt_neox", "lora", "bf16", "sdpa"),
        ("gpt_neox", "full", "bf16-mixed", "sdpa"),
        ("phi", "full", "bf16", "sdpa"),
        ("phi", "lora", "bf16", "sdpa"),
    ],
)
def test_counts_what_autograd_saves(family: str, method: str, precision: str, attention: str) -> None:
    """The bytes counted per token agree within a tenth with the tensors that a forward pass saves."""
    counted = _counted(family, method, precision, attention)
    assert counted == pytest.approx(_saved(family, method, precision, attention), rel=0.1)


def _counted(family: str, method: str, precision: str, attention: str) -> float:
    shape = shape_from_config(FAMILIES[family])
    request = EstimateRequest(method=method, precision=precision, attention=attention, lora=EstimateLora(rank=4))
    traits, _ = method_of(method)
    adapter, targets = adapter_of(shape, request, traits) if method == "lora" else (None, ())
    found = kept(shape, sizes_of(request, traits), attention, method == "full", adapter, targets)
    return found.per_token + found.per_pair * LENGTH


def _saved(family: str, method: str, precision: str, attention: str) -> float:
    """Bytes per token of the distinct storages autograd saves, weights and their autocast copies left out."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(**FAMILIES[family])
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model = transformers.AutoModelForCausalLM.from_config(
        config, attn_implementation=attention, dtype=dtype, trust_remote_code=False
    )
    body = model.get_submodule("gpt_neox" if family == "gpt_neox" else "model")
    is_adapted = method == "lora" and precision == "bf16"  # PEFT's fp32 adapters under the trainer's autocast
    if method == "lora":
        peft = pytest.importorskip("peft")
        peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules="all-linear"))
    owned = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    tokens, seen, alive = BATCH * LENGTH, {}, []

    def note(tensor):
        storage = tensor.untyped_storage()
        is_cast = precision == "bf16-mixed" and tensor.dim() == 2 and tokens not in tensor.shape
        is_weight = storage.data_ptr() in owned or is_cast
        if not is_weight and storage.nbytes() >= tokens:
            seen[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)  # a freed storage would lend its address to another
        return tensor

    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16-mixed" or is_adapted)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), autocast:
        body.train()(input_ids=torch.randint(0, 96, (BATCH, LENGTH)))
    return sum(seen.values()) / tokens
