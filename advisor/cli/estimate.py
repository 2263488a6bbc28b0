"""`advisor estimate`: memory of one step, from a file that names a model and what is done with it (contract section 4).

Reads the file and the model's dimensions, calls the estimator, prints. It measures nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.domain.answers import GpuAnswer
    from advisor.domain.architecture import ModelShape
    from advisor.domain.estimate import Estimate, EstimateRequest
    from advisor.engine.estimate.ladder import Fix
    from advisor.files import Located

SUMMARY = "memory and time of one step"
DECIMALS = 4
"""GiB are printed to a tenth of a MiB."""
KINDS = {"bnb-int8": (8.0, "int8"), "fp8": (8.0, "fp8"), "mxfp8": (8.0, "mxfp8"), "int8-w8a8": (8.0, "int8")}
"""Kinds of published quantized models that are not 4-bit -> bits and type."""


def configure(parser: argparse.ArgumentParser) -> None:
    from advisor.cli.parser import gpu_argument

    parser.add_argument("file", metavar="FILE", help="estimate file, YAML, JSON or TOML ('-': stdin)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "--gpu", type=gpu_argument, metavar="NAME:GIB[:COUNT]", help="say whether it fits there, and what would help"
    )


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import write, write_json
    from advisor.engine.estimate import estimate
    from advisor.engine.estimate.ladder import fixes

    request, notes = read_request(args.file)
    found = estimate(request)
    found = found.model_copy(update={"assumptions": (*notes, *found.assumptions)})
    gpu: GpuAnswer | None = args.gpu
    ladder = fixes(request, gpu.memory_gib, gpu.count) if gpu else ()
    if args.json:
        write_json(as_json(found, request, gpu, ladder))
    else:
        write(as_text(found, request, gpu, ladder))
    return 0


def read_request(path: str) -> tuple[EstimateRequest, list[str]]:
    """The request in the file with its model's dimensions, and what was assumed to find them.

    Raises `AdvisorError` naming file, line and key.
    """
    from dataclasses import replace

    from advisor.domain.errors import AdvisorError
    from advisor.domain.estimate import EstimateRequest
    from advisor.files import read_located
    from advisor.files.validate import validate

    located = read_located(path)
    located = replace(located, values=_without_empty(located.values))
    if "goal" in located.values:
        raise AdvisorError(
            f"{located.name} is an answers file, not an estimate file",
            why="an estimate is of one step: model, method, precision, ...",
            hint=f"advisor --non-interactive {path} shows the estimates of its whole stack; "
            "advisor schema estimate shows what an estimate file holds",
        )
    request = validate(located, EstimateRequest, "estimate")
    _check_words(request, located)
    if request.shape is not None:
        return request, []
    root = Path() if path == "-" else Path(path).parent
    shape, quantized, notes = _model(request, root, located)
    update: dict[str, Any] = {"shape": shape}
    if quantized and "quant" not in request.model_fields_set:
        from advisor.domain.estimate import EstimateQuant

        bits, kind = KINDS.get(quantized, (4.0, quantized if quantized != "unknown" else "gptq"))
        update["quant"] = EstimateQuant(bits=bits, type=kind)
        notes.append(f"the model is published in {kind}, {bits:g} bits")
    return request.model_copy(update=update), notes


def _check_words(request: EstimateRequest, located: Located) -> None:
    """Refuse words that the estimator does not know where they stand in the file."""
    from advisor.domain.errors import AdvisorError
    from advisor.engine.estimate.methods import method_of
    from advisor.engine.estimate.optimizers import optimizer_of
    from advisor.engine.estimate.precision import storage_bits

    checks = (
        (("method",), lambda: method_of(request.method)),
        (("optimizer",), lambda: optimizer_of(request.optimizer)),
        (("quant", "type"), lambda: storage_bits(request.quant, method_of(request.method)[0])),
    )
    for path, check in checks:
        try:
            check()
        except AdvisorError as error:
            raise AdvisorError(f"{located.place(path)}: {'.'.join(path)}: {error.what}", hint=error.hint) from None


def _without_empty(value: Any) -> Any:
    """Keys written without a value are as good as not written."""
    if isinstance(value, dict):
        return {key: _without_empty(inner) for key, inner in value.items() if inner is not None}
    return value


def _model(request: EstimateRequest, root: Path, located: Located) -> tuple[ModelShape, str | None, list[str]]:
    """Dimensions and quantization: config.json decides, else the catalogue or a folder, else the parameter count."""
    if request.model.config is not None:
        return _from_config(request.model.config, root, located)
    if request.model.id is not None:
        known = _from_id(request.model.id, root, request.model.params_b)
        if known is not None:
            return known
    if request.model.params_b is not None:
        from advisor.engine.estimate.shapes import shape_from_params

        return shape_from_params(request.model.params_b), None, []
    raise _no_model(request, located)


def _from_config(name: str, root: Path, located: Located) -> tuple[ModelShape, str | None, list[str]]:
    from advisor.domain.errors import AdvisorError
    from advisor.probe.model_config import shape_from_config
    from advisor.probe.quantization import quantization_of
    from advisor.probe.untrusted import read_json

    file = root / Path(name).expanduser()
    file = file / "config.json" if file.is_dir() else file
    if not file.is_file():
        place = located.place(("model", "config"))
        raise AdvisorError(f"{place}: model.config: there is no file {file}", hint="the path is relative to this file")
    config = read_json(file)
    return shape_from_config(config), quantization_of(config), []


def _from_id(name: str, root: Path, params_b: float | None) -> tuple[ModelShape, str | None, list[str]] | None:
    """By catalogue, folder or size in the name; None when none of them knows it."""
    from advisor.engine.estimate.shapes import shape_from_params
    from advisor.knowledge import load_knowledge
    from advisor.probe.model import probe_model

    local = root / name
    profile = probe_model(str(local) if local.exists() else name, load_knowledge().catalog)
    if profile.shape is not None:
        return profile.shape, profile.quantized, []
    if profile.params_b is not None and params_b is None:
        note = f"{name} is not in the catalogue: dimensions are typical of {profile.params_b:g}B, as its name says"
        return shape_from_params(profile.params_b), profile.quantized, [note]
    return None


def _no_model(request: EstimateRequest, located: Located) -> Exception:
    from advisor.domain.errors import AdvisorError
    from advisor.files.validate import nearest
    from advisor.knowledge import load_knowledge

    if request.model.id is None:
        return AdvisorError(
            f"{located.name}: the estimate names no model",
            why="memory follows from the model's dimensions",
            hint="give model.config (a config.json), model.id (one of the catalogue) or model.params_b",
        )
    known = [name for entry in load_knowledge().catalog.models for name in entry.ids]
    close = nearest(request.model.id, known)
    return AdvisorError(
        f"{located.place(('model', 'id'))}: model.id: {request.model.id!r} is not in the catalogue",
        hint=(f"did you mean {close!r}? " if close else "") + "model.config or model.params_b work for any model",
    )


def as_json(
    found: Estimate, request: EstimateRequest, gpu: GpuAnswer | None, ladder: tuple[Fix, ...]
) -> dict[str, Any]:
    """The answer of contract section 4, GiB per GPU; with a GPU also whether it fits and what would help."""
    data: dict[str, Any] = {
        "schema": 1,
        "peak_gib": {name: round(getattr(found.peak_gib, name), DECIMALS) for name in ("low", "expected", "high")},
        "terms": {name: round(value, DECIMALS) for name, value in found.terms},
        "assumptions": list(found.assumptions),
    }
    if gpu is not None:
        data["gpu"] = {"name": gpu.name, "memory_gib": gpu.memory_gib, "count": gpu.count, "simulated": True}
        data["fits"] = found.peak_gib.expected <= gpu.memory_gib
        data["step_seconds"] = step_seconds(request, gpu)
        data["fixes"] = [
            {
                "change": fix.change,
                "saved_gib": round(fix.saved_gib, DECIMALS),
                "peak_gib": round(fix.peak_gib, DECIMALS),
                "fits": fix.fits,
            }
            for fix in ladder
        ]
    return data


def step_seconds(request: EstimateRequest, gpu: GpuAnswer) -> float | None:
    """Seconds of one training step on a GPU of the catalogue; None for other work or an unknown GPU."""
    from advisor.domain.facts import Facts
    from advisor.engine.estimate import effective_method, shape_of
    from advisor.engine.estimate.duration import Passes, micro_batch_seconds
    from advisor.engine.estimate.sharding import strategy_of
    from advisor.engine.gpus import match
    from advisor.knowledge import load_knowledge

    method, _ = effective_method(request)
    spec = match(gpu.name, gpu.memory_gib, load_knowledge().catalog.gpus)
    if method.work != "train" or spec is None:
        return None
    rate = spec.tflops.get("bf16") or spec.tflops.get("fp16") or spec.tflops["fp32"]
    if request.precision == "fp32":
        rate = spec.tflops.get("tf32") or spec.tflops["fp32"]
    tokens = request.micro_batch * request.seq_len
    facts = Facts(goal="optimize", has_gpu=True, gpu_tflops_bf16=rate, gpu_bandwidth_gbs=spec.bandwidth_gbs)
    passes = Passes(
        tokens,
        request.seq_len,
        request.gradient_checkpointing,
        request.gpus,
        strategy_of(request),
        accumulation=request.accumulation,
    )
    return round(request.accumulation * micro_batch_seconds(shape_of(request), method, facts, passes), DECIMALS)


def as_text(found: Estimate, request: EstimateRequest, gpu: GpuAnswer | None, ladder: tuple[Fix, ...]) -> str:
    """The same for people: terms, range, what was assumed, and the ladder when it does not fit."""
    name = (request.shape.name if request.shape else "") or request.model.id or "the model"
    lines = [f"{request.method} of {name}, {request.count}, GiB per GPU", ""]
    lines += [f"  {term:<12}{value:10.2f}" for term, value in found.terms if value >= 0.005]
    peak = found.peak_gib
    lines += [f"  {'peak':<12}{peak.expected:10.2f}   {peak.low:.2f} to {peak.high:.2f}", ""]
    if found.assumptions:
        lines += ["Assumed", *(f"  - {text}" for text in found.assumptions), ""]
    if gpu is not None:
        lines += _fit_lines(found, request, gpu, ladder)
    return "\n".join(lines).rstrip() + "\n"


def _fit_lines(found: Estimate, request: EstimateRequest, gpu: GpuAnswer, ladder: tuple[Fix, ...]) -> list[str]:
    place = f"{gpu.name} with {gpu.memory_gib:g} GiB (simulated)"
    seconds = step_seconds(request, gpu)
    time = [f"One step takes about {seconds:.2g} s there.", ""] if seconds is not None else []
    if found.peak_gib.expected <= gpu.memory_gib:
        tight = " At the high end of the range it would not." if found.peak_gib.high > gpu.memory_gib else ""
        return [f"Fits on {place}.{tight}", *time]
    lines = [f"Does not fit on {place}. One after the other:", ""]
    for fix in ladder:
        mark = "   fits" if fix.fits else ""
        lines.append(f"  {fix.change:<58} -{fix.saved_gib:6.2f}  -> {fix.peak_gib:7.2f}{mark}")
    if not (ladder and ladder[-1].fits):
        lines.append("  Nothing more to save: take a smaller model or more memory.")
    return [*lines, "", *time]
