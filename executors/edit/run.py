"""Runs one editing step: statistics, values, weights, and what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, Severity
from executors.activations.text import calibration_ids
from executors.edit.apply import memit, rome
from executors.edit.config import Config
from executors.edit.facts import Fact, read_facts
from executors.edit.kept import kept_moments
from executors.edit.measure import CONTINUED, Found, measure
from executors.edit.model import Editable, require_editable
from executors.edit.statistics import cache_root, covariances
from executors.edit.trace import choose_layers
from executors.edit.value import Search
from executors.models.load import find_folder, load_model
from executors.protocol import Inputs, Say, Stopped
from executors.tensors.folder import copy_companions, open_model, write_json
from executors.tensors.source import read_tensor
from executors.tensors.writer import TensorSpec, TensorWriter

SEQUENCE = 256
LOCALITY_FLOOR = 0.9


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the edited model below `out`, and `edits.json` with what was asked and measured.

    Raises AdvisorError for facts, layers or models that cannot be edited.
    """
    import torch

    if inputs.threads:
        torch.set_num_threads(inputs.threads)
    torch.manual_seed(inputs.seed)
    facts = read_facts(config.facts_path)
    folder = find_folder(inputs.path("model"))
    loaded = load_model(inputs.roles["model"].kind, inputs.path("model"), precision="fp32")
    require_editable(loaded.model)
    loaded.model.requires_grad_(False)
    editable = Editable(loaded.model.cpu(), loaded.tokenizer)
    for fact in facts:
        editable.subject_end(fact.asked, fact.subject)
    layers = sorted(config.layers) or choose_layers(editable, facts, config.method, inputs.seed)
    _check_layers(config, layers, len(editable.layers))
    say.log(
        f"{len(facts)} facts into layers {', '.join(map(str, layers))} of {len(editable.layers)} by {config.method}"
    )
    before = measure(editable, facts)
    statistics = _statistics(config, editable, facts, layers, folder, say)

    def after(done: int, total: int) -> None:
        say.progress(done, total, "examples", "values found")
        if say.should_stop():
            raise Stopped

    search = Search(config.steps, config.learning_rate, config.clamp, config.keep)
    if config.method == "rome":
        reached = rome(editable, facts, layers[0], statistics, search, after)
    else:
        reached = memit(editable, facts, layers, statistics, search, config.weight, after)
    _round(editable, folder, layers)
    found = measure(editable, facts)
    _write(editable, folder, layers, out)
    _tell(before, found, say)
    about = {
        "method": config.method, "layers": layers, "facts": [fact.model_dump(mode="json") for fact in facts],
        "probability_of_value": reached, "before": _figures(before, before), "after": _figures(found, before),
    }  # fmt: skip
    write_json(out / "edits.json", json.loads(json.dumps(about)))


def _check_layers(config: Config, layers: list[int], count: int) -> None:
    if layers[-1] >= count:
        raise AdvisorError(f"there is no layer {layers[-1]}", why=f"the model has layers 0 to {count - 1}")
    if config.method == "rome" and len(layers) != 1:
        raise AdvisorError(f"ROME edits one layer, not {len(layers)}", hint="name one, or method: memit")


def _statistics(
    config: Config, editable: Editable, facts: list[Fact], layers: list[int], folder: Path, say: Say
) -> dict[int, Any]:
    """Layer -> what must be left alone: ordinary text, and the same sentences about other subjects."""
    others = kept_moments(editable, layers, facts) if config.others else {}
    ids = calibration_ids(config.text, folder, config.statistics, SEQUENCE, say)
    total = len(ids)
    found = covariances(
        editable,
        layers,
        ids,
        _name(editable, layers),
        lambda done: say.progress(done, total, "examples", "statistics"),
        cache_root(),
    )
    return {layer: matrix + config.others * others[layer] if others else matrix for layer, matrix in found.items()}


def _name(editable: Editable, layers: list[int]) -> str:
    """The hash of the weights that the statistics depend on: everything up to the last edited layer's input."""
    import hashlib

    digest = hashlib.sha256()
    for name, tensor in sorted(editable.model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _round(editable: Editable, folder: Path, layers: list[int]) -> None:
    """The edited matrices as they will be stored: what is measured is what is written."""
    import torch

    from executors.tensors.source import torch_dtype

    tensors = open_model(folder).tensors
    with torch.no_grad():
        for layer in layers:
            weight = editable.down(layer).weight
            stored = torch_dtype(tensors[f"model.layers.{layer}.mlp.down_proj.weight"].dtype)
            weight.copy_(weight.to(stored))


def _write(editable: Editable, folder: Path, layers: list[int], out: Path) -> None:
    """The model as it was, but for the edited matrices, in the type it had."""
    from executors.tensors.source import torch_dtype

    model = open_model(folder)
    changed = {f"model.layers.{layer}.mlp.down_proj.weight": editable.down(layer).weight for layer in layers}
    with TensorWriter(out, [TensorSpec.like(info) for info in model.tensors.values()]) as writer:
        for name, info in model.tensors.items():
            tensor = changed[name].detach().to(torch_dtype(info.dtype)) if name in changed else read_tensor(info)
            writer.write(name, tensor.contiguous())
    write_json(out / "config.json", model.config)
    copy_companions(model.path, out)


def _figures(found: Found, before: Found) -> dict[str, float | None]:
    return {
        "efficacy": found.efficacy,
        "paraphrase": found.paraphrase,
        "locality": found.locality(before),
        "locality_of_three": found.locality(before, CONTINUED),
    }


def _tell(before: Found, found: Found, say: Say) -> None:
    was, now = _figures(before, before), _figures(found, before)
    for name, value in now.items():
        if value is not None:
            say.metric(name, value, "share")
    parts = [f"{name} {was[name]:.0%} -> {value:.0%}" for name, value in now.items() if value is not None]
    say.log(", ".join(parts))
    if now["locality"] is not None and now["locality"] < LOCALITY_FLOOR:
        text = f"{1 - now['locality']:.0%} of the prompts about other subjects are continued differently"
        say.diagnostic(Severity.WARNING, "edit-spills", text, hint="a larger weight, or fewer facts")
