"""Runs quantization-aware training: the training of `finetune` over rounded weights, then the conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, ExitCode
from executors.finetune.run import encode_data, train_sequences
from executors.protocol import Inputs, Say
from executors.prune.layers import LEDGER, prunable
from executors.qat.config import Config
from executors.qat.fake import Layer, prepare
from executors.quantize.compressed_form import Form, fitting_group
from executors.tensors.folder import ModelFolder, open_model, read_json
from executors.tensors.source import read_tensor


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Train with rounded weights and write the quantized model below `out`.

    Goes on from the newest whole checkpoint in `inputs.scratch`. Raises AdvisorError for unusable data or model, and
    when the converted model does not answer like the trained one; Stopped once a requested stop has been saved.
    """
    base = open_model(inputs.path("model"))
    targets = prunable(base)
    group = config.group_size or fitting_group(targets)
    if group is None:
        raise AdvisorError("no group size of 128, 64 or 32 divides the width of every layer")
    form = Form("pack-quantized", config.bits, group)
    lesson = _Rounding(form, _masks(base), {info.name for info in targets})

    def write(model: Any) -> None:
        from executors.qat.write import write_quantized

        write_quantized(model, lesson.layers, base, form, out, say)

    sequences, held_out = encode_data(config, inputs, say)
    train_sequences(config, inputs, sequences, held_out, out, say, lesson, write)


class _UsualLoss:
    """The loss stays as it is."""


class _Rounding:
    """A lesson that makes the model compute with rounded weights, and leaves it so."""

    loss_class: type = _UsualLoss

    def __init__(self, form: Form, masks: dict[str, Any], names: set[str]) -> None:
        self._form, self._masks, self._names = form, masks, names
        self.layers: list[Layer] = []

    def prepare(self, student: Any) -> None:
        assert self._form.group is not None
        self.layers = prepare(student, self._form.bits, self._form.group, self._masks)
        if missing := self._names - {layer.name for layer in self.layers}:
            raise AdvisorError(f"{min(missing)} is no linear layer of the loaded model", code=ExitCode.RUN_FAILED)

    def finish(self, student: Any) -> None: ...


def _masks(base: ModelFolder) -> dict[str, Any]:
    """What a pruned model keeps, by the name of the weight; nothing for a dense one."""
    if not (base.path / LEDGER).is_file():
        return {}
    return {name: read_tensor(base.tensors[name]) != 0 for name in read_json(base.path / LEDGER)["tensors"]}
