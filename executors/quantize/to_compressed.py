"""A model folder to a compressed-tensors folder, block by block: GPTQ, INT8 with 8-bit activations, and FP8.

Peak memory grows with one block and the calibration batch. Activations are rounded by the runtime, not here; the
embedding and the output head keep their bits.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.words import ArtifactKind
from executors.activations.batch import Batch, Layers
from executors.activations.hessian import input_hessian, inverse_factor
from executors.export.parity import compare, model_logits, prompt_ids, report, require
from executors.models.load import load_model
from executors.protocol import Say, Stopped
from executors.prune.layers import LEDGER, Ledger, by_block
from executors.quantize.compressed_form import Form, fitting_group, form_of
from executors.quantize.compressed_source import CompressedSource
from executors.quantize.rounding import dequantize, gptq, to_float8
from executors.tensors.decoder import StreamedDecoder
from executors.tensors.folder import ModelFolder, copy_companions, open_model, read_json, write_json
from executors.tensors.source import FolderSource, read_tensor, require_finite
from executors.tensors.writer import TensorSpec, TensorWriter

if TYPE_CHECKING:
    import torch

    from executors.quantize import Config

RELOADED = 2**30
"""Bytes, unpacked to 16 bits, up to which the result is loaded whole to be checked."""

Values = tuple["torch.Tensor", "torch.Tensor"]
"""Integers or 8-bit floats [out, in] and scales [out, groups]."""


def to_compressed(config: Config, model: ModelFolder, out: Path, say: Say) -> None:
    """Write the quantized model below `out`, read every integer back, and compare its logits with the model's."""
    blocks = by_block(model)
    targets = {info.name: info for infos in blocks.values() for info in infos}
    group = config.group_size or fitting_group(list(targets.values()))
    form = form_of(config.format, config.bits or 4, group)
    rounding = _Rounding(config, model, form, say)
    digests: dict[str, bytes] = {}
    with TensorWriter(out, _specs(model, form)) as writer:
        for name, info in model.tensors.items():
            if name not in targets:
                tensor = read_tensor(info)
                require_finite(name, tensor)
                writer.write(name, tensor)
        for number, (index, infos) in enumerate(blocks.items(), start=1):
            if say.should_stop():
                raise Stopped
            for name, (values, scales) in rounding.block(index, [info.name for info in infos]).items():
                digests[name] = _digest(values)
                for part, tensor in form.tensors(name, values, scales).items():
                    writer.write(part, tensor)
            say.progress(number, len(blocks), "layers", f"block {index}")
    write_json(out / "config.json", {**model.config, "quantization_config": form.config()})
    copy_companions(model.path, out)
    _check(model, open_model(out), form, digests, say)


def _specs(model: ModelFolder, form: Form) -> list[TensorSpec]:
    targets = {info.name for infos in by_block(model).values() for info in infos}
    specs: list[TensorSpec] = []
    for name, info in model.tensors.items():
        specs += form.specs(info) if name in targets else [TensorSpec.like(info)]
    return specs


class _Rounding:
    """Quantizes blocks in order."""

    def __init__(self, config: Config, model: ModelFolder, form: Form, say: Say) -> None:
        self._model = model
        self._form = form
        self._sparse = read_json(model.path / LEDGER)["tensors"] if (model.path / LEDGER).is_file() else {}
        self._done: dict[str, Values] = {}
        self._batch: Batch | None = None
        if form.layout != "float-quantized":
            assert config.data is not None
            self._batch = Batch(config.data, model, config.sequences, config.seq_len, say)

    def block(self, index: int, names: list[str]) -> dict[str, Values]:
        """The quantized weights of block `index` by tensor name, on the CPU."""
        if self._batch is None:
            return {name: to_float8(self._read(name)) for name in names}
        self._done = {}
        self._batch.through(index, self._gptq)
        return self._done

    def _gptq(self, layers: Layers, inputs: torch.Tensor) -> None:
        hessian = input_hessian(inputs)
        require_finite(f"{next(iter(layers)).removesuffix('.weight')} (its input)", hessian)
        factor, dead = inverse_factor(hessian)
        weights = [self._read(name).to(inputs.device).float().masked_fill_(dead, 0) for name in layers]
        # What an earlier step set to zero stays zero; its error, too, is taken over by the rest.
        keep = [weight != 0 for weight in weights] if self._sparse.keys() & layers.keys() else None
        group = self._form.group or inputs.shape[-1]
        found = gptq(weights, factor, self._form.bits, group, keep)
        for (name, layer), (integers, scales) in zip(layers.items(), found, strict=True):
            layer.weight.data.copy_(dequantize(integers, scales))
            self._done[name] = integers.cpu(), scales.cpu()

    def _read(self, name: str) -> torch.Tensor:
        weight = read_tensor(self._model.tensors[name])
        require_finite(name, weight)
        return weight


def _check(model: ModelFolder, written: ModelFolder, form: Form, digests: dict[str, bytes], say: Say) -> None:
    """Every integer and every scale as it was made, the zeros of a pruned model kept, the logits alike."""
    import torch

    source = CompressedSource(written, form)
    for name, digest in digests.items():
        values, scales = source.values(name)
        if _digest(values) != digest or not bool(((scales > 0) & scales.isfinite()).all()):
            raise _broken(f"{name} reads back otherwise than it was written")
    _carry_ledger(model, written, source)
    say.metric("bytes", written.bytes, "bytes")
    prompts = prompt_ids(model.path)
    reference = StreamedDecoder(FolderSource(model), model.path, torch.float32).logits(prompts)
    parity = compare(reference, _answers(model, written, source, prompts))
    report(parity, say)
    require(parity, form.limits, form.layout)


def _answers(
    model: ModelFolder, written: ModelFolder, source: CompressedSource, prompts: list[torch.Tensor]
) -> list[torch.Tensor]:
    """Logits as transformers gives them; of a model that is large unpacked, as its weights give them block by block."""
    import torch

    if 2 * model.params > RELOADED:
        return StreamedDecoder(source, model.path, torch.float32).logits(prompts)
    return model_logits(load_model(ArtifactKind.QUANTIZED_LM, str(written.path)).model, prompts)


def _carry_ledger(model: ModelFolder, written: ModelFolder, source: CompressedSource) -> None:
    """Write the ledger of a pruned model anew from what is stored. Raises AdvisorError where zeros were lost."""
    file = model.path / LEDGER
    if not file.is_file():
        return
    before: dict[str, Any] = read_json(file)
    ledger = Ledger(before["method"], before["pattern"], before["sparsity"])
    for name, entry in before["tensors"].items():
        values = source.values(name)[0].float()
        zeros = int((values == 0).sum())
        if zeros < entry["zeros"]:
            raise _broken(f"{name} has {zeros} zeros where {entry['zeros']} were to be kept")
        ledger.add(name, zeros, values.numel())
    write_json(written.path / LEDGER, ledger.content())


def _digest(values: torch.Tensor) -> bytes:
    import torch

    return hashlib.blake2b(memoryview(values.contiguous().view(torch.uint8).numpy()), digest_size=16).digest()


def _broken(why: str) -> AdvisorError:
    return AdvisorError(
        "the quantized model does not hold what was written",
        why=why,
        hint="run the step again; if it stays, report it",
        code=ExitCode.RUN_FAILED,
    )
