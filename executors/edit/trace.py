"""Which layers hold a fact: the subject is blurred, and one layer's feed-forward output at its end is put back.

Causal tracing (Meng et al. 2022, section 2.2). The layer whose restoring brings most of the probability of the model's
own answer back is where facts are read from; MEMIT edits it and the ones before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from executors.edit.facts import Fact
from executors.edit.model import Editable, fast, output_changed

if TYPE_CHECKING:
    import torch

NOISE = 3.0
"""Standard deviations of the embeddings that the subject is blurred by."""
MOST_FACTS = 10
SPREAD = 4
"""Layers MEMIT edits, the chosen one the last."""


def choose_layers(editable: Editable, facts: Sequence[Fact], method: str, seed: int) -> list[int]:
    """The layers to edit, ascending: one for ROME, up to four for MEMIT."""
    gains = restored(editable, facts[:MOST_FACTS], seed)
    count = len(gains)
    # The last third only carries an answer to the output; what is put back there says nothing of where it is stored.
    usable = max(1, (2 * count) // 3)
    best = max(range(usable), key=lambda layer: (gains[layer], -layer))
    if method == "rome":
        return [best]
    best = max(best, min(SPREAD, usable) - 1)
    return list(range(max(0, best - SPREAD + 1), best + 1))


def restored(editable: Editable, facts: Sequence[Fact], seed: int) -> list[float]:
    """For each layer the mean rise of the answer's probability when it alone is put back."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    totals = [0.0] * len(editable.layers)
    for fact in facts:
        for layer, gain in enumerate(_of_one(editable, fact, generator)):
            totals[layer] += gain / len(facts)
    return totals


def _of_one(editable: Editable, fact: Fact, generator: torch.Generator) -> list[float]:
    import torch

    ids, _ = editable.batch([fact.asked])
    end = editable.subject_end(fact.asked, fact.subject)
    start = max(0, end - len(editable.tokenizer(" " + fact.subject, add_special_tokens=False)["input_ids"]) + 1)
    clean, outputs = _pass(editable, ids, None, None)
    answer = int(clean.argmax())
    spread = NOISE * float(editable.model.get_input_embeddings().weight.std())
    noise = torch.zeros(ids.shape[1], editable.model.config.hidden_size)
    noise[start : end + 1] = spread * torch.randn(end + 1 - start, noise.shape[1], generator=generator)
    blurred = float(_pass(editable, ids, noise, None)[0].softmax(-1)[answer])
    gains = []
    for layer in range(len(editable.layers)):
        logits, _ = _pass(editable, ids, noise, (layer, end, outputs[layer][0, end]))
        gains.append(float(logits.softmax(-1)[answer]) - blurred)
    return gains


def _pass(editable: Editable, ids: Any, noise: Any, put_back: tuple[int, int, Any] | None) -> tuple[Any, list[Any]]:
    """Logits behind the text, and each layer's feed-forward output; with noise added and one output put back."""
    from contextlib import ExitStack

    import torch

    outputs: list[Any] = []

    def keep(hidden: torch.Tensor) -> torch.Tensor:
        if put_back is not None and len(outputs) == put_back[0]:
            hidden = hidden.clone()
            hidden[0, put_back[1]] = put_back[2]
        outputs.append(hidden)
        return hidden

    with torch.no_grad(), fast(), ExitStack() as stack:
        for layer in editable.layers:
            stack.enter_context(output_changed(layer.mlp, keep))
        if noise is not None:
            stack.enter_context(output_changed(editable.model.get_input_embeddings(), lambda hidden: hidden + noise))
        logits = editable.model(input_ids=ids, use_cache=False).logits[0, -1].float()
    return logits, outputs
