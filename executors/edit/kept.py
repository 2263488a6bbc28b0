"""What an edit must leave alone beside ordinary text: the same sentences about other subjects.

Text says little of "... is located in the city of" behind a name. So the facts' own prompts are asked about a fixed
list of common subjects, and what the layers read there counts as text does: their values are held. Subjects that are
edited are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from executors.edit.facts import Fact
from executors.edit.model import Editable, fast, inputs_seen, only_first

if TYPE_CHECKING:
    import torch

_LISTED = """
Brazil, Canada, Egypt, Norway, Poland, Kenya, Vietnam, Mexico, London, Chicago, Sydney, Moscow,
Toronto, Lisbon, Mount Everest, The Golden Gate Bridge, The White House, The Sydney Opera House, The
Nile, The Danube, Lake Victoria, The Sahara Desert, Google, Microsoft, Toyota, Nokia, Samsung,
Coca-Cola, The Red Cross, The United Nations, Plato, Napoleon, Cleopatra, Marie Curie, Galileo,
Nelson Mandela, Abraham Lincoln, Picasso, Michelangelo, Bach, Elvis Presley, Bob Dylan, Tolstoy,
Agatha Christie, Haydn, Schubert, Chopin, Goethe, Dante, Cervantes, Kafka, Pablo Neruda,
Homer, Hamlet, The Bible, Star Wars, The Odyssey, The Last Supper, Linux, Fortran,
Pascal, Haskell, COBOL, Lisp, Prolog, JavaScript, The Volga, The Yangtze, The Thames, The Congo,
English, Football, Chess, The violin, Gold, Oxygen, The Moon, Jupiter, The elephant, Rice, The
telephone, Democracy
"""
SUBJECTS = tuple(" ".join(_LISTED.split()).split(", "))
AT_ONCE = 32


def kept_moments(editable: Editable, layers: Sequence[int], facts: Sequence[Fact]) -> dict[int, torch.Tensor]:
    """Layer -> mean of k k^T [in, in] at the last token of the common subjects in the facts' prompts."""
    import torch

    edited = {fact.subject.lower() for fact in facts}
    subjects = [subject for subject in SUBJECTS if subject.lower() not in edited]
    asked = [(fact.prompt.replace("{}", subject), subject) for fact in facts for subject in subjects]
    sums = {layer: torch.zeros(width := editable.down(layer).in_features, width) for layer in layers}
    for start in range(0, len(asked), AT_ONCE):
        _add(editable, asked[start : start + AT_ONCE], sums)
    return {layer: total / len(asked) for layer, total in sums.items()}


def _add(editable: Editable, asked: Sequence[tuple[str, str]], sums: dict[int, torch.Tensor]) -> None:
    import torch

    ids, mask = editable.batch([text for text, _ in asked])
    rows = torch.arange(len(asked))
    ends = torch.tensor([editable.subject_end(text, subject) for text, subject in asked])

    def adder(layer: int) -> Callable[[torch.Tensor], None]:
        def add(keys: torch.Tensor) -> None:
            chosen = keys[rows, ends].float()
            sums[layer].addmm_(chosen.T, chosen)

        return add

    with ExitStack() as stack, torch.inference_mode():
        for layer in sums:
            stack.enter_context(inputs_seen(editable.down(layer), adder(layer)))
        stack.enter_context(only_first(editable, max(sums) + 1))
        stack.enter_context(fast())
        editable.model.model(input_ids=ids, attention_mask=mask, use_cache=False)
