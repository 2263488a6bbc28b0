"""What each `method` of an estimate request does with memory: what it trains, what it keeps beside the model.

Names only and their traits; the arithmetic stands in the modules named after the terms.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from advisor.domain.errors import AdvisorError
from advisor.domain.record import record

Trains = Literal["all", "adapter", "nothing"]


@record
class Method:
    """Traits of one method. Copies count models of the same size, the trained one not among them."""

    trains: Trains
    work: Literal["train", "inference", "calibrate", "weights"] = "train"
    adapter: str = ""
    """Which adapter it trains, a key of `adapters.ADAPTERS`."""
    batch_factor: int = 1
    """Sequences per example: 2 where chosen and rejected are passed together."""
    frozen_copies: int = 0
    """16-bit models of the same size that stand by without gradients: reference, reward."""
    trained_copies: int = 0
    """Further models of the same size with gradients and optimizer states: PPO's value model."""
    has_teacher: bool = False
    quantized_base: bool = False
    hessians: bool = False
    """Calibration that gathers the second moments of every layer's inputs."""
    on_gpu: Literal["model", "layer"] = "model"
    """Calibration: the whole model on the GPU, or one block after the other."""
    writes: int = 0
    """Completions that are written for each row before it is trained on (TRL's defaults)."""
    is_compared: bool = False
    """Both models are loaded in 32 bits, one after the other, and their logits compared, where memory allows it."""
    start: Literal["", "convert"] = ""
    """How its process starts where that differs from others of its work, a key of `constants.START_SECONDS`."""


_FULL = Method("all")
_LORA = Method("adapter", adapter="lora")

METHODS: dict[str, Method] = {
    "full": _FULL,
    "pretrain": _FULL,
    "lora": _LORA,
    "qlora": Method("adapter", adapter="lora", quantized_base=True),
    "dora": Method("adapter", adapter="dora"),
    "qdora": Method("adapter", adapter="dora", quantized_base=True),
    "vera": Method("adapter", adapter="vera"),
    "ia3": Method("adapter", adapter="ia3"),
    "prompt-tuning": Method("adapter", adapter="prompt-tuning"),
    "prefix-tuning": Method("adapter", adapter="prefix-tuning"),
    "bottleneck-adapter": Method("adapter", adapter="bottleneck"),
    "adaption-prompt": Method("adapter", adapter="adaption-prompt"),
    "scale-and-bias": Method("adapter", adapter="scale-and-bias"),
    "ln-tuning": Method("adapter", adapter="ln-tuning"),
    "miss": Method("adapter", adapter="reduced-input"),
    "bone": Method("adapter", adapter="reduced-input"),
    "tinylora": Method("adapter", adapter="reduced-input"),
    "dpo": Method("all", batch_factor=2, frozen_copies=1),
    "kto": Method("all", batch_factor=2, frozen_copies=1),
    "orpo": Method("all", batch_factor=2),
    "grpo": Method("all", frozen_copies=1, writes=8),
    "rlhf": Method("all", frozen_copies=2, trained_copies=1, writes=2),
    "reward-model": _FULL,
    "distill": Method("all", has_teacher=True),
    "on-policy-distill": Method("all", has_teacher=True, writes=1),
    "inference": Method("nothing", work="inference"),
    "load-weights": Method("nothing", work="weights"),
    "merge": Method("nothing", work="weights"),
    "adapter-merge": Method("nothing", work="weights", start="convert", is_compared=True),
    "magnitude": Method("nothing", work="weights"),
    "wanda": Method("nothing", work="calibrate"),
    "sparsegpt": Method("nothing", work="calibrate", hessians=True),
    "wanda-by-block": Method("nothing", work="calibrate", on_gpu="layer"),
    "sparsegpt-by-block": Method("nothing", work="calibrate", hessians=True, on_gpu="layer"),
    "gptq": Method("nothing", work="calibrate", hessians=True, on_gpu="layer"),
    "awq": Method("nothing", work="calibrate", on_gpu="layer"),
    "quantize-rtn": Method("nothing", work="weights", start="convert"),
    "qat": _FULL,
}

ALIASES: dict[str, str] = {
    "full-sft": "full",
    "full-finetune": "full",
    "sft": "full",
    "cpt": "pretrain",
    "dapt": "pretrain",
    "domain-sft": "full",
    "safety-sft": "full",
    "raft": "full",
    "ptuning": "prompt-tuning",
    "p-tuning": "prompt-tuning",
    "p-tuning-v2": "prefix-tuning",
    "prompttuning": "prompt-tuning",
    "prefixtuning": "prefix-tuning",
    "adaptionprompt": "adaption-prompt",
    "adapter": "adaption-prompt",
    "adapter-v1": "adaption-prompt",
    "llama-adapter": "adaption-prompt",
    "adapter-v2": "scale-and-bias",
    "bottleneck": "bottleneck-adapter",
    "ppo": "rlhf",
    "full-rlhf": "rlhf",
    "rlaif": "rlhf",
    "distillation": "distill",
    "feature-distillation": "distill",
    "on-policy-distillation": "on-policy-distill",
    "response-distillation": "full",
    "synthetic-data-distillation": "full",
    "generate": "inference",
    "generation": "inference",
    "serve": "inference",
    "evaluate": "inference",
    "linear-merge": "merge",
    "magnitude-pruning": "magnitude",
    "depth-pruning": "magnitude",
    "structured-pruning": "wanda",
    "bnb-nf4": "quantize-rtn",
    "bnb-int8": "quantize-rtn",
    "gguf": "quantize-rtn",
    "fp8": "quantize-rtn",
    "int8-w8a8": "awq",
    "nvfp4": "awq",
    "mxfp4": "quantize-rtn",
    "mxfp8": "quantize-rtn",
    "quantize": "quantize-rtn",
}
LORA_LIKE = frozenset(
    [
        "adalora",
        "rslora",
        "lora-fa",
        "pissa",
        "loftq",
        "vera",
        "loha",
        "lokr",
        "oft",
        "boft",
        "hra",
        "fourierft",
        "randlora",
        "vblora",
        "shira",
        "miss",
        "delora",
        "gralora",
        "c3a",
        "road",
        "hira",
    ]
)
"""Adapters on the same matrices that keep the same inputs; counted as LoRA of the given rank."""


@lru_cache(maxsize=256)
def method_of(name: str) -> tuple[Method, str]:
    """The traits of a method, and its canonical name. `dpo-lora` and `lora-dpo` train an adapter, `dpo-qlora` over a
    quantized base. Raises `AdvisorError` naming the nearest known method."""
    word = name.strip().lower().replace("_", "-").replace("+", "-")
    word = ALIASES.get(word, word)
    if word in METHODS:
        return METHODS[word], word
    if word in LORA_LIKE:
        return _LORA, word
    combined = _combined(word)
    if combined is not None:
        return combined, word
    known = sorted({*METHODS, *ALIASES, *LORA_LIKE})
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(sorted(METHODS))}"
    raise AdvisorError(f"unknown method {name!r}", hint=hint)


def by_block(name: str) -> str | None:
    """The same calibration with one block at a time on the GPU (llm-compressor's sequential onloading), where the
    method is not done that way anyway."""
    word = f"{ALIASES.get(name, name)}-by-block"
    return word if word in METHODS else None


def _combined(word: str) -> Method | None:
    """A training objective with an adapter in its name."""
    from dataclasses import replace

    parts = word.split("-")
    for adapter in ("qlora", "lora", "dora"):
        if adapter not in parts:
            continue
        rest = "-".join(part for part in parts if part != adapter)
        objective = METHODS.get(ALIASES.get(rest, rest))
        if objective is not None and objective.work == "train":
            return with_adapter(
                replace(objective, quantized_base=adapter == "qlora"), "dora" if adapter == "dora" else "lora"
            )
    return None


def with_adapter(method: Method, adapter: str) -> Method:
    """The same objective, training an adapter: the reference is the base itself with the adapter switched off."""
    from dataclasses import replace

    keeps = max(0, method.frozen_copies - 1)
    return replace(method, trains="adapter", adapter=adapter, frozen_copies=keeps, trained_copies=0)
