"""Facts into weights: ROME one by one into one layer, MEMIT all at once over several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from executors.edit.facts import Fact
from executors.edit.model import Editable, inputs_seen, output_changed
from executors.edit.solve import damped, memit_update, rome_update
from executors.edit.value import BEGINNINGS, Search, find_value

if TYPE_CHECKING:
    import torch

Told = Callable[[int, int], None]
"""Facts done, facts in all."""


def memit(
    editable: Editable,
    facts: Sequence[Fact],
    layers: list[int],
    statistics: dict[int, torch.Tensor],
    search: Search,
    weight: float,
    after: Told,
) -> list[float]:
    """Change the down projections of `layers`, lowest first (MEMIT, section 4.3). Returns each fact's probability
    under its value, before it was spread."""
    import torch

    last = max(layers)
    found = []
    for number, fact in enumerate(facts, start=1):
        found.append(find_value(editable, fact, last, search))
        after(number, len(facts))
    spread(editable, facts, layers, statistics, torch.stack([delta for delta, _ in found]), weight)
    return [probability for _, probability in found]


def spread(
    editable: Editable,
    facts: Sequence[Fact],
    layers: list[int],
    statistics: dict[int, torch.Tensor],
    changes: torch.Tensor,
    weight: float,
) -> None:
    """Bring the state behind each subject to its goal (`changes` [facts, width]), layer by layer (algorithm 1)."""
    import torch

    last = max(layers)
    goal = torch.stack([_state(editable, fact, last) for fact in facts]) + changes
    for position, layer in enumerate(sorted(layers)):
        now = torch.stack([_state(editable, fact, last) for fact in facts])
        residual = (goal - now) / (len(layers) - position)
        keys = torch.stack([key_of(editable, fact, layer) for fact in facts])
        _add(editable, layer, memit_update(keys.T, residual.T, statistics[layer], weight))


def rome(
    editable: Editable,
    facts: Sequence[Fact],
    layer: int,
    statistics: dict[int, torch.Tensor],
    search: Search,
    after: Told,
) -> list[float]:
    """Change one down projection, fact after fact (ROME, section 3.1)."""
    probabilities = []
    covariance = damped(statistics[layer])
    for number, fact in enumerate(facts, start=1):
        delta, probability = find_value(editable, fact, layer, search)
        _add(editable, layer, rome_update(key_of(editable, fact, layer), delta, covariance))
        probabilities.append(probability)
        after(number, len(facts))
    return probabilities


def key_of(editable: Editable, fact: Fact, layer: int) -> torch.Tensor:
    """What the down projection reads at the subject's last token [in], the mean over several beginnings."""
    import torch

    texts = [beginning + fact.asked for beginning in BEGINNINGS]
    ids, mask = editable.batch(texts)
    ends = [editable.subject_end(text, fact.subject) for text in texts]
    seen: list[torch.Tensor] = []
    with torch.no_grad(), inputs_seen(editable.down(layer), seen.append):
        editable.model.model(input_ids=ids, attention_mask=mask, use_cache=False)
    return seen[0][torch.arange(len(ends)), torch.tensor(ends)].mean(0)


def _state(editable: Editable, fact: Fact, layer: int) -> torch.Tensor:
    """The layer's output at the subject's last token of the fact's own prompt [width]."""
    import torch

    ids, mask = editable.batch([fact.asked])
    end = editable.subject_end(fact.asked, fact.subject)
    seen: list[torch.Tensor] = []

    def see(hidden: torch.Tensor) -> torch.Tensor:
        seen.append(hidden[0, end].clone())
        return hidden

    with torch.no_grad(), output_changed(editable.layers[layer], see):
        editable.model.model(input_ids=ids, attention_mask=mask, use_cache=False)
    return seen[0]


def _add(editable: Editable, layer: int, change: torch.Tensor) -> None:
    import torch

    with torch.no_grad():
        editable.down(layer).weight.add_(change.to(editable.down(layer).weight.dtype))
