"""A model folder to a compressed-tensors folder, block by block: GPTQ, AWQ, INT8 with 8-bit activations, and FP8.

Peak memory grows with one block and the calibration batch. Activations are rounded by the runtime, not here; the
embedding and the output head keep their bits.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.words import ArtifactKind
from executors.activations.batch import Batch
from executors.activations.text import CalibrationText
from executors.export.likeness import GREEDY, GREEDY_LARGE, Likeness, check_likeness, continued, name_of, voice_of
from executors.export.parity import RELOADED, model_logits, spoken
from executors.models.load import load_model
from executors.protocol import Inputs, Say, Stopped
from executors.prune.layers import LEDGER, Ledger, by_block
from executors.quantize.awq_blocks import AwqBlocks
from executors.quantize.blocks import Block, Blocks, Float8Blocks, GptqBlocks, read_finite
from executors.quantize.compressed_form import Form, form_of
from executors.quantize.compressed_source import CompressedSource
from executors.tensors.decoder import StreamedDecoder
from executors.tensors.folder import ModelFolder, copy_companions, open_model, read_json, write_json
from executors.tensors.kept import KeptBlocks
from executors.tensors.source import FolderSource, read_tensor
from executors.tensors.writer import TensorSpec, TensorWriter

if TYPE_CHECKING:
    import torch

    from executors.quantize import Config

_BLOCK = re.compile(r"^model\.layers\.(\d+)\.")


def to_compressed(
    config: Config, inputs: Inputs, model: ModelFolder, text: CalibrationText | None, out: Path, say: Say
) -> None:
    """Write the quantized model below `out`, read every tensor back, and compare its logits with the model's.

    Finished blocks are kept in `inputs.scratch`: a killed run goes on after them, to the same bytes.
    """
    blocks = by_block(model)
    targets = {info.name: info for infos in blocks.values() for info in infos}
    form = form_of(config, list(targets.values()))
    rounding, calibration = _rounding(config, model, text, form, say)
    kept = KeptBlocks(inputs.scratch, model, {**config.model_dump(mode="json"), "calibration": calibration}, say)
    digests: dict[str, bytes] = {}
    with TensorWriter(out, specs_of(model, form)) as writer:
        for name in [name for name in model.tensors if _block_number(name) not in blocks]:
            writer.write(name, read_finite(model, name))
        for number, (index, infos) in enumerate(blocks.items(), start=1):
            if say.should_stop():
                raise Stopped
            stored = _stored(index, [info.name for info in infos], form, rounding, kept)
            for name in [name for name in model.tensors if _block_number(name) == index]:
                if name not in stored and name not in targets:
                    stored[name] = read_finite(model, name)
            for name, tensor in stored.items():
                digests[name] = digest_of(tensor)
                writer.write(name, tensor)
            say.progress(number, len(blocks), "layers", f"block {index}")
    write_json(out / "config.json", {**model.config, "quantization_config": form.config()})
    copy_companions(model.path, out)
    _check(model, open_model(out), form, digests, say)


def _rounding(
    config: Config, model: ModelFolder, text: CalibrationText | None, form: Form, say: Say
) -> tuple[Blocks, str]:
    """How blocks are rounded, and the fingerprint of the text it is calibrated with."""
    if text is None:
        return Float8Blocks(model), ""
    batch = Batch(text, model, say)
    kind = AwqBlocks if config.format == "awq" else GptqBlocks
    return kind(model, form, batch), batch.fingerprint


def _stored(index: int, names: list[str], form: Form, rounding: Blocks, kept: KeptBlocks) -> dict[str, torch.Tensor]:
    """The tensors that take the place of a block's, as they are stored; kept ones, or made and kept."""
    found = kept.read(index)
    if found is not None:
        parts = {spec for name in names for spec in _part_names(form, name)}
        changed = {name: tensor for name, tensor in found.items() if name not in parts}
        rounding.past(index, Block({name: form.rounded(name, found.__getitem__) for name in names}, changed))
        return found
    block = rounding.block(index, names)
    stored = dict(block.changed)
    for name, rounded in block.rounded.items():
        stored |= form.tensors(name, rounded)
    kept.keep(index, stored)
    return stored


def _part_names(form: Form, name: str) -> list[str]:
    base = name.removesuffix(".weight")
    return [name] + [
        f"{base}.{part}" for part in ("weight_scale", "weight_packed", "weight_shape", "weight_zero_point")
    ]


def _block_number(name: str) -> int | None:
    found = _BLOCK.match(name)
    return int(found[1]) if found else None


def specs_of(model: ModelFolder, form: Form) -> list[TensorSpec]:
    """The tensors of the quantized model."""
    targets = {info.name for infos in by_block(model).values() for info in infos}
    specs: list[TensorSpec] = []
    for name, info in model.tensors.items():
        specs += form.specs(info) if name in targets else [TensorSpec.like(info)]
    return specs


def _check(model: ModelFolder, written: ModelFolder, form: Form, digests: dict[str, bytes], say: Say) -> None:
    """Every tensor of a block as it was made, the zeros of a pruned model kept, the logits alike."""
    import torch

    source = CompressedSource(written, form)
    for name, digest in digests.items():
        tensor = read_tensor(written.tensors[name])
        bad_scale = name.endswith("_scale") and not bool(((tensor > 0) & tensor.isfinite()).all())
        if digest_of(tensor) != digest or bad_scale:
            raise broken(f"{name} reads back otherwise than it was written")
    carry_ledger(model, written, source)
    say.metric("bytes", written.bytes, "bytes")
    original = StreamedDecoder(FolderSource(model), model.path, torch.float32).logits
    if 2 * model.params > RELOADED:
        # Too large unpacked: as its weights give them block by block.
        copy = StreamedDecoder(source, model.path, torch.float32).logits
        pair = Likeness(
            form.layout, name_of(model.path), original, copy, lambda p: continued(original, p, GREEDY_LARGE)
        )
    else:
        loaded = load_model(ArtifactKind.QUANTIZED_LM, str(written.path)).model
        pair = Likeness(
            form.layout,
            name_of(model.path),
            original,
            lambda prompts: model_logits(loaded, prompts),
            lambda prompts: spoken(loaded, prompts, GREEDY),
        )
    check_likeness(pair, model.path, (voice_of(model.path), voice_of(written.path)), form.limits, written.path, say)


def carry_ledger(model: ModelFolder, written: ModelFolder, source: CompressedSource) -> None:
    """Write the ledger of a pruned model anew from what is stored. Raises AdvisorError where zeros were lost."""
    file = model.path / LEDGER
    if not file.is_file():
        return
    before: dict[str, Any] = read_json(file)
    ledger = Ledger(before["method"], before["pattern"], before["sparsity"])
    for name, entry in before["tensors"].items():
        values = source.values(name).dense()
        zeros = int((values == 0).sum())
        if zeros < entry["zeros"]:
            raise broken(f"{name} has {zeros} zeros where {entry['zeros']} were to be kept")
        ledger.add(name, zeros, values.numel())
    write_json(written.path / LEDGER, ledger.content())


def digest_of(values: torch.Tensor) -> bytes:
    """Hash of the bytes of a tensor."""
    import torch

    return hashlib.blake2b(
        memoryview(values.contiguous().reshape(-1).view(torch.uint8).numpy()), digest_size=16
    ).digest()


def broken(why: str) -> AdvisorError:
    """The error of a result that is not what was written."""
    return AdvisorError(
        "the quantized model does not hold what was written",
        why=why,
        hint="run the step again; if it stays, report it",
        code=ExitCode.RUN_FAILED,
    )
