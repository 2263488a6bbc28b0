"""Answers that what was looked at contradicts. They stand, since a person may know better, and are told."""

from __future__ import annotations

from collections.abc import Iterator

from advisor.domain.answers import Answers
from advisor.domain.errors import Severity
from advisor.domain.facts import Default, Facts
from advisor.domain.profiles import DataProfile, ModelProfile
from advisor.domain.recommendation import StackWarning
from advisor.domain.words import DataKind

CODE = "answer-contradicted"
_MARKED = frozenset({DataKind.PREFERENCES, DataKind.FEEDBACK, DataKind.FACTS, DataKind.PARALLEL})
"""Kinds whose rows have keys of their own, so that rows of any other shape cannot be used as them."""
_PLAIN = frozenset({DataKind.INSTRUCTIONS, DataKind.QA_PAIRS, DataKind.TEXT, DataKind.DOCUMENTS})
_UNQUANTIZED = frozenset(["none", "no", "bf16", "fp16", "fp32", "f16", "f32", "bfloat16", "float16", "float32"])
_SIZES_DIFFER = 1.25
"""Ratio of two parameter counts beyond which they are not two ways of counting (with tied weights, or without)."""


def contradicted(answers: Answers, model: ModelProfile | None, data: DataProfile | None) -> tuple[Default, ...]:
    """Each answer that the folder of the model or the rows of the data contradict, with what they say."""
    return (*_data(answers, data), *_model(answers, model))


def contradictions(facts: Facts) -> tuple[StackWarning, ...]:
    """A warning for each of them."""
    return tuple(
        StackWarning(
            severity=Severity.WARNING,
            code=CODE,
            text=f"{each.key}: {each.value} was said, and {each.because}.",
            fix="Correct it, or leave it out: what is there is looked at.",
        )
        for each in facts.contradicted
    )


def _data(answers: Answers, data: DataProfile | None) -> Iterator[Default]:
    kind = answers.data.kind
    if data is not None and kind in _MARKED and data.kind in _PLAIN:
        yield Default(key="data.kind", value=str(kind), because=f"the rows look like {data.kind}")


def _model(answers: Answers, model: ModelProfile | None) -> Iterator[Default]:
    """Only a folder or file that was opened contradicts: a catalogue or a name may be of another version."""
    if model is None or model.origin != "local":
        return
    said = answers.model
    if said.params_b is not None and model.params_b:
        ratio = max(said.params_b, model.params_b) / min(said.params_b, model.params_b)
        if ratio > _SIZES_DIFFER:
            yield Default(
                key="model.params_b", value=f"{said.params_b:g}", because=f"its files hold {model.params_b:.3g}"
            )
    if is_quantized(said.quantized) and not is_quantized(model.quantized):
        yield Default(key="model.quantized", value=str(said.quantized), because="its files say that it is not")
    elif said.quantized is not None and not is_quantized(said.quantized) and is_quantized(model.quantized):
        yield Default(key="model.quantized", value=said.quantized, because=f"its files say {model.quantized}")
    length = answers.data.seq_len
    if length is not None and model.context_length is not None and length > model.context_length:
        text = f"the model's context is {model.context_length} tokens"
        yield Default(key="data.seq_len", value=str(length), because=text)


def is_quantized(word: str | None) -> bool:
    """Whether a word for the form of weights means fewer than 16 bits."""
    return (word or "none").lower() not in _UNQUANTIZED
