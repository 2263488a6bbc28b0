"""What every kind of training sets up alike: the model with what is trained of it, TRL's arguments, and the result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from advisor.domain.words import ArtifactKind
from executors.artifact import Manifest
from executors.models.load import Loaded, find_folder, load_model
from executors.protocol import Inputs, Say
from executors.training import group
from executors.training.config import TrainingConfig
from executors.training.sharding import SPREAD

MAX_GRAD_NORM = 1.0
SHORT_SEQUENCE = 128
"""Mean tokens up to which plain attention is faster on the CPU."""
DECIDING_LIBRARIES = ("torch", "transformers", "trl", "peft")


def scratch_root(inputs: Inputs) -> Path:
    """The folder of the checkpoints. Raises AdvisorError when the step was given no scratch folder."""
    if not inputs.scratch:
        raise AdvisorError("a training step needs a scratch folder for its checkpoints")
    return Path(inputs.scratch) / "checkpoints"


def load_base(config: TrainingConfig, inputs: Inputs) -> Loaded:
    """The model of the step, in 4 bits for method qlora unless it is quantized already."""
    kind = inputs.roles["model"].kind
    quantization = None
    if config.method == "qlora" and kind != ArtifactKind.QUANTIZED_LM:
        from transformers import BitsAndBytesConfig

        from executors.models.device import choose_dtype

        # Dettmers et al. 2023, QLoRA: NormalFloat4 with doubly quantized scales.
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=choose_dtype(config.precision),
        )
    # What is to be sharded need not fit on one GPU.
    device = "cpu" if getattr(config, "sharding", "ddp") in SPREAD else None
    return load_model(kind, inputs.path("model"), config.precision, quantization=quantization, device=device)


def keep_gradients(model: Any) -> None:
    """Keep 4-bit layers in the layout that gradients pass through.

    On CPUs with AVX512-BF16 bitsandbytes packs a layer anew when it is asked outside training, as measuring between
    steps does; the packed product has no gradient, so that whatever lies below it would learn nothing from then on.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def load_trainable(
    config: TrainingConfig, inputs: Inputs, lengths: Sequence[int], text: str = "", *, has_masks: bool = True
) -> Loaded:
    """The model in training mode with fresh adapters, with the adapter of an earlier step, or whole.

    `lengths`: tokens of each sequence, by which the attention is chosen. `text`: what a soft prompt begins from.
    `has_masks`: whether the trainer gives the model a mask of what is padding.
    Seeds every random generator, so that the same seed gives the same fresh weights. The zeros of a pruned model are
    kept: LoRA trains under the mask, whole weights by masked gradients.
    """
    from transformers import set_seed

    from executors.adapters.attach import add_adapter, continue_adapter
    from executors.adapters.fused import fuse
    from executors.adapters.masked import keep_zeros
    from executors.prune.kept import pruned_tensors

    set_seed(inputs.seed)
    loaded = load_base(config, inputs)
    keep_gradients(loaded.model)
    choose_attention(loaded.model, lengths, config.attention, has_masks=has_masks)
    model = loaded.model
    if config.method != "full":
        given = Path(inputs.path("adapter")) if "adapter" in inputs.roles else None
        model = continue_adapter(model, given) if given else add_adapter(model, config, loaded.tokenizer, text)
    model.train()
    folder = find_folder(inputs.path("model"))
    if pruned := pruned_tensors(folder):
        keep_zeros(model, folder, pruned, config.method)
    fuse(model)
    return Loaded(model, loaded.tokenizer, loaded.bytes)


def choose_attention(model: Any, lengths: Sequence[int], wanted: str = "auto", *, has_masks: bool = True) -> None:
    """On the CPU what replaces PyTorch's fused kernel, whose backward pass costs more than it saves.

    Whole causal attention where there are no masks and the processor multiplies bfloat16; plain attention for short
    sequences otherwise. Measured with SmolLM2-135M in bfloat16 on one core: plain 16x64 tokens 466 against 350 tokens/s
    of the kernel, 8x256 274 against 382; forward and backward of one layer's attention at 4x256 29 ms by the kernel, 12
    whole.
    """
    import torch

    from executors.models.device import choose_device

    is_on_cpu = choose_device().type == "cpu"
    if wanted != "auto":
        model.set_attn_implementation("flash_attention_2" if wanted == "flash" else wanted)
    elif is_on_cpu and not has_masks and model.dtype == torch.bfloat16 and _is_plain(model):
        from executors.models.attention import register

        model.set_attn_implementation(register())
    elif is_on_cpu and sum(lengths) / len(lengths) <= SHORT_SEQUENCE:
        model.set_attn_implementation("eager")


def _is_plain(model: Any) -> bool:
    """Whether attention is softmax alone: neither PyTorch's kernel nor what replaces it knows sinks or caps."""
    capped = getattr(model.config.get_text_config(), "attn_logit_softcapping", None)
    has_sinks = any(name.endswith(".sinks") for name, _ in model.named_parameters())
    return getattr(model, "_supports_sdpa", False) and capped is None and not has_sinks


def arguments(
    config: TrainingConfig, inputs: Inputs, steps: int, micro_batch: int, accumulation: int
) -> dict[str, Any]:
    """The arguments that all of TRL's trainers share. Their data stands in the order of training already."""
    import torch

    return {
        "output_dir": str(Path(inputs.scratch) / "trainer"),
        "num_train_epochs": 1,
        "max_steps": steps,
        "per_device_train_batch_size": micro_batch,
        "gradient_accumulation_steps": accumulation,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": config.warmup,
        "max_grad_norm": MAX_GRAD_NORM,
        "gradient_checkpointing": config.gradient_checkpointing,
        "train_sampling_strategy": "sequential",
        "save_strategy": "no",  # the reporter says when
        "eval_strategy": "no",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "bf16": False,  # the weights themselves have the wanted format; autocast would only add casts
        "fp16": False,
        "use_cpu": not torch.cuda.is_available(),
        "ddp_backend": "gloo" if group.is_member() and not torch.cuda.is_available() else None,
        "ddp_find_unused_parameters": False if group.is_member() else None,
        "seed": inputs.seed,
        "data_seed": inputs.seed,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "disable_tqdm": True,
        "report_to": [],
        "push_to_hub": False,
    }


def about(config: TrainingConfig, inputs: Inputs, executor: str, digest: str, steps: int, threads: int) -> Manifest:
    """What decides the result, recorded in every checkpoint. How a batch is cut into micro-batches does not belong."""
    from importlib.metadata import version

    apart = {"data", "micro_batch", "accumulation", "save_steps", "eval_steps", "patience", "keep_best"}
    apart |= {"machines", "rendezvous"}  # where the processes are, not what they do
    settings = config.model_dump(mode="json", exclude=apart)
    return Manifest(
        kind="checkpoint",
        executor=executor,
        config={**settings, "batch": config.batch, "steps": steps, "data": digest},
        seed=inputs.seed,
        threads=threads,
        versions={name: version(name) for name in DECIDING_LIBRARIES},
    )


def report_share(model: Any, config: TrainingConfig, say: Say) -> None:
    """Say how many parameters are trained, and, where it differs, how many are kept, as shares of the base."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    say.metric("trained_parameters", trained)
    if config.method == "full":
        return
    base = base_parameters(model)
    say.metric("trained_share", trained / base)
    kept = kept_parameters(model)
    if kept != trained:
        say.metric("kept_parameters", kept)
        say.metric("kept_share", kept / base)


def base_parameters(model: Any) -> int:
    """Parameters of the model without what was added to it; of 4-bit weights those they stand for."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    own = int(inner.num_parameters())
    is_inside = {id(p) for p in inner.parameters()}
    return own - sum(p.numel() for p in model.parameters() if p.requires_grad and id(p) in is_inside)


def kept_parameters(model: Any) -> int:
    """Parameters of the finished adapter: of a prefix its vectors, without the network they are learnt through."""
    config = getattr(model, "peft_config", {}).get("default")
    if config is None or not config.is_prompt_learning:
        return sum(p.numel() for p in model.parameters() if p.requires_grad)
    return int(model.get_prompt_embedding_to_save("default").numel())


def write_result(trainer: Any, config: TrainingConfig, inputs: Inputs, out: Path) -> None:
    """The result: adapters with their full-precision masters, a whole model in the format it was trained in."""
    from executors.adapters.store import save_adapter

    path = inputs.path("model")
    base = path if not Path(path).expanduser().exists() else Path(path).name
    if config.method == "full":
        trainer.model.save_pretrained(out)
    else:
        for parameter, master in trainer.optimizer.optimizer.pairs:
            parameter.data = master.data
        save_adapter(trainer.model, out, base)
    trainer.processing_class.save_pretrained(out)
