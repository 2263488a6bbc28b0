"""Merging several models of one shape, tensor by tensor and part by part: no tensor need stand in memory whole.

Tensors are shared out among threads; each is written to its place as it is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.merge.arrays import FLOATS, Files, narrow, require_finite, size_of
from executors.merge.compatible import open_variants
from executors.merge.methods import METHODS, Mix
from executors.merge.settings import value_of
from executors.merge.vectors import open_vectors
from executors.process.environment import usable_cores
from executors.protocol import Inputs, Say, Stopped
from executors.tensors.continued import ContinuedWriter, identity_of
from executors.tensors.folder import ModelFolder, copy_companions, write_json
from executors.tensors.header import TensorInfo
from executors.tensors.writer import TensorSpec, bytes_of

if TYPE_CHECKING:
    from executors.merge import Config

_WORDS = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}


def merge_models(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the merged model below `out`, with the companions of the base, or else of the first model."""
    base, models = open_variants(config, inputs)
    first = base or models[0]
    specs = [_spec(info, config) for info in first.tensors.values()]
    threads = min(inputs.threads or usable_cores(), len(specs))
    made_from = [model for model in (base, *models) if model is not None]
    settings = {**config.model_dump(mode="json"), "seed": inputs.seed, "numpy": version("numpy")}
    identity = identity_of(settings, made_from)
    with (
        Files() as files,
        ContinuedWriter(inputs.scratch, out, specs, identity, say) as writer,
        ThreadPoolExecutor(threads) as pool,
    ):
        job = _Job(config, inputs.seed, base, models, files, writer, say)
        # The largest first, so that no thread is left alone with one at the end.
        ordered = sorted(specs, key=lambda spec: -size_of(first.tensors[spec.name]))
        wanted = [spec for spec in ordered if spec.name not in writer.done]
        for number, name in enumerate(pool.map(job.merge, wanted), start=1 + len(writer.done)):
            say.progress(number, len(specs), "tensors", name)
    about = {**first.config, **({"dtype": config.dtype} if config.dtype else {})}
    if config.dtype and "torch_dtype" in about:
        about["torch_dtype"] = config.dtype
    write_json(out / "config.json", about)
    copy_companions(first.path, out)


class _Job:
    """What every thread needs to make one tensor after the other."""

    def __init__(
        self,
        config: Config,
        seed: int,
        base: ModelFolder | None,
        models: list[ModelFolder],
        files: Files,
        writer: ContinuedWriter,
        say: Say,
    ) -> None:
        self._config, self._seed, self._base, self._models = config, seed, base, models
        self._files, self._writer, self._say = files, writer, say
        self._layers = int((base or models[0]).config.get("num_hidden_layers") or 1)

    def merge(self, spec: TensorSpec) -> str:
        """Make one tensor; returns its name. Raises Stopped when asked to stop."""
        position, size = 0, bytes_of(spec)
        for values in self._parts(spec):
            if self._say.should_stop():
                raise Stopped
            data = memoryview(values).cast("B")
            self._writer.write_part(spec.name, position, data, is_last=position + len(data) == size)
            position += len(data)
        return spec.name

    def _parts(self, spec: TensorSpec) -> Iterator[Any]:
        infos = [model.tensors[spec.name] for model in self._models]
        base = self._base.tensors[spec.name] if self._base is not None else None
        if infos[0].dtype not in FLOATS:
            yield self._files.read_raw(base or infos[0], 0, size_of(infos[0]))
            return
        vectors = open_vectors(self._files, infos, base)
        mix = mix_for(self._config, self._seed, spec.name, self._layers, len(infos))
        for _, values in METHODS[self._config.method](vectors, mix):
            stored = narrow(values, spec.dtype)
            require_finite(spec.name, stored, spec.dtype)
            yield stored


def mix_for(config: Config, seed: int, name: str, layers: int, count: int) -> Mix:
    """How `count` models are mixed for the tensor of that name. What is drawn for it does not depend on the others."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    weights = config.weights or (1.0 / count,) * count
    densities = config.densities or (config.density,) * count
    is_random = config.method.startswith("dare")
    return Mix(
        weights=[value_of(weight, name, layers) for weight in weights],
        densities=[value_of(density, name, layers) for density in densities],
        at=value_of(config.at, name, layers),
        is_normalized=config.is_normalized,
        scale=config.scale,
        rescale=config.rescale or ("probability" if is_random else "none"),
        seed=int.from_bytes(digest[:8], "big"),
    )


def _spec(info: TensorInfo, config: Config) -> TensorSpec:
    is_changed = config.dtype is not None and info.dtype in FLOATS
    return TensorSpec(info.name, _WORDS[str(config.dtype)] if is_changed else info.dtype, info.shape)
