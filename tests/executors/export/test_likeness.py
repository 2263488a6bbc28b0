"""Tests of executors.export.likeness."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from advisor.domain.errors import AdvisorError
from advisor.domain.parity import ParityRecord
from executors import quantize
from executors.export.likeness import RECORD, Likeness, Voice, check_likeness, continued, name_of, voice_of
from executors.export.parity import Limits, prompt_ids
from executors.protocol import Input, Inputs

SIZE = 512
LOOSE = Limits(kl=100.0, top1=0.0)


def _counting(step: int, until: int = 10_000) -> Any:
    """A model that always says the number `step` further; from `until` tokens on it says the same number again."""

    def answer(prompts: list[torch.Tensor]) -> list[torch.Tensor]:
        found = []
        for ids in prompts:
            ahead = torch.where(torch.arange(len(ids)) < until, step, 0)
            found.append(10 * torch.nn.functional.one_hot((ids + ahead) % SIZE, SIZE).float())
        return found

    return answer


def _check(
    model: Path, out: Path, listener: Any, copy: Any, limits: Limits = LOOSE, voice: Voice | None = None
) -> ParityRecord:
    own = voice_of(model)
    pair = Likeness("the copy", "the original", _counting(1), copy, lambda prompts: continued(_counting(1), prompts, 8))
    check_likeness(pair, model, (own, voice or own), limits, out, listener)
    return _record(out)


def _record(out: Path) -> ParityRecord:
    return ParityRecord.model_validate_json((out / RECORD).read_bytes())


def test_greedy_text_is_the_likeliest_token_each_time() -> None:
    """From 3 a model that counts says 4, 5, 6."""
    (text,) = continued(_counting(1), [torch.tensor([3])], 3)
    assert text.tolist() == [3, 4, 5, 6]


def test_equal_models_are_the_same_throughout(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """No divergence, every token the same, template and end token the same; all of it is kept beside the artifact."""
    record = _check(tiny_model, tmp_path, listener, _counting(1), Limits(1e-6, 1.0, 1.0))
    assert record.kl == 0 and record.top1 == 1 and record.greedy_share == 1
    assert record.template == "same" and record.end == "same"
    assert all(text.same == text.tokens == 8 for text in record.greedy)
    assert listener.metrics["parity_greedy"] == 1


def test_where_the_texts_part_is_told(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """A copy that stops counting three tokens behind a prompt says four of its eight tokens."""
    lengths = [len(ids) for ids in prompt_ids(tiny_model)]
    record = _check(tiny_model, tmp_path, listener, _counting(1, until=lengths[0] + 3))
    assert record.greedy[0].same == 4 and record.greedy[0].tokens == 8
    assert [text.same for text in record.greedy] == [min(8, max(0, lengths[0] + 4 - length)) for length in lengths]


def test_a_copy_that_parts_too_early_fails(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """Where a form must keep the greedy text, one that does not is refused, with its record kept."""
    with pytest.raises(AdvisorError, match="does not speak as the model") as caught:
        _check(tiny_model, tmp_path, listener, _counting(2), Limits(100.0, 0.0, 0.5))
    assert "greedy text" in caught.value.why
    assert _record(tmp_path).greedy_share == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"template": "another"}, "chat template"),
        ({"template": None}, "chat template"),
        ({"ends": (7,), "end_text": "x"}, "another token"),
    ],
)
def test_another_template_or_end_fails(
    tiny_model: Path, tmp_path: Path, listener: Any, change: dict[str, Any], why: str
) -> None:
    """The same logits are not enough: a copy that is addressed or ends otherwise is refused."""
    own = voice_of(tiny_model)
    told = {"template": own.template, "ends": own.ends, "end_text": own.end_text, **change}
    with pytest.raises(AdvisorError) as caught:
        _check(tiny_model, tmp_path, listener, _counting(1), voice=Voice(**told))
    assert why in caught.value.why


@pytest.mark.parametrize("settings", [{"format": "gguf", "type": "F16"}, {"format": "fp8"}])
def test_artifacts_carry_their_parity(
    tiny_model: Path, tmp_path: Path, listener: Any, settings: dict[str, Any]
) -> None:
    """A GGUF file and a compressed folder are compared in every respect."""
    inputs = Inputs(roles={"model": Input(kind="causal-lm", path=str(tiny_model))})
    quantize.run(quantize.Config(**settings), inputs, tmp_path / "out", listener)
    record = _record(tmp_path / "out")
    assert record.template == "same" and record.end == "same" and len(record.greedy) == 4
    assert record.kl <= record.kl_limit and record.top1 >= record.top1_limit


def test_a_lost_template_fails_the_step(
    tiny_model: Path, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export that forgets the chat template does not pass."""
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    monkeypatch.setattr("executors.quantize.to_compressed.copy_companions", lambda *_: None)
    inputs = Inputs(roles={"model": Input(kind="causal-lm", path=str(model))})
    with pytest.raises(AdvisorError):
        quantize.run(quantize.Config(format="fp8"), inputs, tmp_path / "out", listener)


def test_an_artifact_is_called_by_its_step(tmp_path: Path) -> None:
    """In a run every model lies in a folder of the same name; the step tells them apart."""
    assert name_of(tmp_path / "steps" / "01-wanda" / "artifact") == "01-wanda"
    assert name_of(tmp_path / "smollm2") == "smollm2"
