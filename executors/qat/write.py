"""A model trained with rounded weights as a compressed-tensors folder, and the check that both say the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.words import ArtifactKind
from executors.export.likeness import GREEDY, Likeness, check_likeness, voice_of
from executors.export.parity import Limits, model_logits, spoken
from executors.models.load import load_model
from executors.protocol import Say
from executors.qat.fake import Layer
from executors.quantize.compressed_form import Form
from executors.quantize.compressed_source import CompressedSource
from executors.quantize.to_compressed import broken, carry_ledger, digest_of, specs_of
from executors.tensors.folder import ModelFolder, copy_companions, open_model, write_json
from executors.tensors.source import read_tensor, require_finite, torch_dtype
from executors.tensors.writer import TensorWriter

if TYPE_CHECKING:
    import torch

LIMITS = Limits(0.02, 0.95, 0.5)
"""The stored weights are those trained with, bit for bit; only the order of sums may differ."""


def write_quantized(trained: Any, layers: list[Layer], base: ModelFolder, form: Form, out: Path, say: Say) -> None:
    """Write the model below `out`, read every tensor back, and compare its logits with the trained model's.

    `base`: the folder training began from, whose other tensors are taken from the trained model. Raises AdvisorError.
    """
    inner = trained.get_base_model() if hasattr(trained, "get_base_model") else trained
    state = inner.state_dict()
    by_name = {layer.name: layer for layer in layers}
    digests: dict[str, bytes] = {}
    with TensorWriter(out, specs_of(base, form)) as writer:
        for name, info in base.tensors.items():
            if name not in by_name:
                writer.write(name, _other(state, name, torch_dtype(info.dtype)))
                continue
            for part, tensor in form.tensors(name, by_name[name].rounded()).items():
                digests[part] = digest_of(tensor)
                writer.write(part, tensor)
    write_json(out / "config.json", {**base.config, "quantization_config": form.config()})
    copy_companions(base.path, out)
    written = open_model(out)
    for name, digest in digests.items():
        if digest_of(read_tensor(written.tensors[name])) != digest:
            raise broken(f"{name} reads back otherwise than it was written")
    carry_ledger(base, written, CompressedSource(written, form))
    say.metric("bytes", written.bytes, "bytes")
    loaded = load_model(ArtifactKind.QUANTIZED_LM, str(out)).model
    pair = Likeness(
        "the converted model",
        "the trained model",
        lambda prompts: model_logits(trained, prompts),
        lambda prompts: model_logits(loaded, prompts),
        lambda prompts: spoken(loaded, prompts, GREEDY),
    )
    check_likeness(pair, base.path, (voice_of(base.path), voice_of(out)), LIMITS, out, say)


def _other(state: dict[str, torch.Tensor], name: str, dtype: torch.dtype) -> torch.Tensor:
    """A tensor that is not rounded; a bias of an adapted layer stands below its base layer."""
    stem, _, kind = name.rpartition(".")
    tensor = state[name] if name in state else state[f"{stem}.base_layer.{kind}"]
    require_finite(name, tensor)
    return tensor.to(dtype)
