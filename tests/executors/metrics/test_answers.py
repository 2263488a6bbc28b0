"""Losses of answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from executors.datasets.render import IGNORED, Encoded, encode
from executors.datasets.rows import MultipleChoice, Text, ask
from executors.metrics import answers
from executors.metrics.answers import answer_losses, mean_loss, row_losses
from executors.metrics.multiple_choice import score_choices
from executors.models.load import Loaded, load_model


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Loaded:
    return load_model("causal-lm", str(tiny_model), "fp32")


def test_losses_equal_those_of_transformers(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sequence has the loss that transformers computes for it alone, whatever it was batched with."""
    import torch

    rows = [ask("Q?", "An answer."), ask("A longer question about lists?", "Yes"), Text("Some text of its own.")]
    sequences = encode(rows, loaded.tokenizer, 128)
    expected = []
    for s in sequences:
        with torch.inference_mode():
            expected.append(
                loaded.model(torch.tensor([s.ids]), labels=torch.tensor([s.labels])).loss.item() * s.counted
            )
    for tokens in (1, 64, 4096):
        monkeypatch.setattr(answers, "BATCH_TOKENS", tokens)
        found = answer_losses(loaded.model, sequences)
        assert [count for _, count in found] == [s.counted for s in sequences]
        assert [total for total, _ in found] == pytest.approx(expected, rel=1e-5)
    assert mean_loss(found) == pytest.approx(sum(expected) / sum(s.counted for s in sequences), rel=1e-5)


def test_the_first_token_counts_nowhere() -> None:
    """A label on the first token is not counted: nothing stands before it."""
    from executors.datasets.render import Encoded

    assert Encoded([1, 2, 3], [1, 2, IGNORED], 0).counted == 1


def test_the_likelier_choice_wins_per_token(loaded: Loaded) -> None:
    """The score is 1 exactly where the right choice has the lowest loss per token."""
    choices = ("a list of lines", "x", "the default value of the key, or nothing at all")
    rows = [ask("What is it?", choice) for choice in choices]
    losses = [total / count for total, count in answer_losses(loaded.model, encode(rows, loaded.tokenizer, 128))]
    best = losses.index(min(losses))
    questions = [MultipleChoice("What is it?", choices, answer) for answer in range(3)]
    done: list[int] = []
    right = score_choices(loaded.model, loaded.tokenizer, questions, done.append)
    assert right == [float(answer == best) for answer in range(3)]
    assert done[-1] == 9


def test_a_row_in_several_sequences_counts_once() -> None:
    """Losses and tokens of its sequences add up; each row has its mean, weighed by its tokens in the whole."""
    sequences = [Encoded([1], [1], row) for row in (4, 7, 4)]
    found = row_losses(sequences, [(2.0, 1), (9.0, 3), (4.0, 2)])
    assert found.per_row == (2.0, 3.0)
    assert found.weights == (3.0, 3.0)
    assert found.mean == 2.5
