"""translation-augmentation: training data in a further language, written by a translation model.

The translator is the endpoint that the environment names (see `executors.models.endpoint`), or a local model folder: a
sequence-to-sequence model such as those of NLLB or Marian, or a chat model that is asked to translate. Code in
backticks is kept as it stands; a translation that lost it is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.languages import name_of
from executors.data.generator import BATCH, Generator, generator_of
from executors.data.writing import DataConfig, check, sides, write_sides
from executors.datasets.rows import Conversation, Message, Parallel, Record, Text
from executors.models.endpoint import named_endpoint
from executors.protocol import Inputs, Say, Stopped

REQUIRES = ("torch", "transformers", "tokenizers", "safetensors")
ENCODER_DECODERS = ("marian", "m2m_100", "nllb", "nllb-moe", "mbart", "t5", "mt5")
_CODE = re.compile(r"`[^`]+`")


class Config(DataConfig):
    """Settings of one translation."""

    language: str
    """The language to translate into, by code or name."""
    token: str | None = None
    """The token that begins text in it for models of many languages, e.g. `deu_Latn` for NLLB."""
    tokens: int = Field(default=256, ge=4, le=8192)
    """Longest translation."""
    keeps_source: bool = True
    """Both languages are learnt, as the source recommends, and not the new one alone."""


preflight = check


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write both sides in both languages. Raises AdvisorError when nothing could be translated."""
    train, held_out = sides(config)
    translator = _translator(config, inputs)
    say.log(f"into {name_of(config.language)} by {translator.name}")
    made: list[list[Record]] = []
    lost = 0
    for rows in (train, held_out):
        found, missing = _translated(rows, translator, config, inputs.seed, say)
        made.append(found)
        lost += missing
    if not made[0] or not made[1]:
        why = f"{lost} translations lost what stood in backticks, or were empty"
        raise AdvisorError("nothing was translated", why=why, code=ExitCode.RUN_FAILED)
    both = [*train, *made[0]] if config.keeps_source else made[0]
    report = {"rows_before": len(train), "rows_translated": len(made[0]), "rows_after": len(both), "rows_lost": lost}
    # What is measured is the new language.
    write_sides(out, both, made[1], report, say)


def _translated(
    rows: Sequence[Record], translator: Generator, config: Config, seed: int, say: Say
) -> tuple[list[Record], int]:
    texts = list(dict.fromkeys(text for row in rows for text in _texts(row)))
    said: dict[str, str] = {}
    for at in range(0, len(texts), BATCH):
        if say.should_stop():
            raise Stopped("stopped while translating")
        chosen = texts[at : at + BATCH]
        answers = translator.write(chosen, config.tokens, seed, lambda _: None)
        for text, answer in zip(chosen, answers, strict=True):
            if answer.strip() and set(_CODE.findall(text)) <= set(_CODE.findall(answer)):
                said[text] = answer.strip()
        say.progress(min(at + BATCH, len(texts)), len(texts), "rows", "translating")
    made = [new for row in rows if (new := _with(row, said)) is not None]
    return made, len(rows) - len(made)


def _texts(row: Record) -> list[str]:
    if isinstance(row, Text):
        return [row.text]
    return [m.content for m in row.messages if m.content] if isinstance(row, Conversation) else []


def _with(row: Record, said: dict[str, str]) -> Record | None:
    """The row in the other language; None when a part of it has no translation."""
    if isinstance(row, Parallel) or any(text not in said for text in _texts(row)):
        return None
    if isinstance(row, Text):
        return Text(said[row.text], row.date)
    if not isinstance(row, Conversation):
        return None
    turns = tuple(Message(m.role, said.get(m.content, ""), m.calls) for m in row.messages)
    return Conversation(turns, row.tools)


def _translator(config: Config, inputs: Inputs) -> Generator:
    role = "teacher" if "teacher" in inputs.roles else "model"
    if named_endpoint() is None:
        folder = Path(inputs.path(role)).expanduser()
        kind = _model_type(folder)
        if kind in ENCODER_DECODERS:
            return _Seq2Seq(folder, config)
    return _Asked(generator_of(inputs, 0.0), config)


def _model_type(folder: Path) -> str:
    import json

    try:
        return str(json.loads((folder / "config.json").read_text()).get("model_type", ""))
    except (OSError, ValueError):
        return ""


class _Asked:
    """A chat model that is asked to translate."""

    def __init__(self, generator: Generator, config: Config) -> None:
        self._generator, self._into, self.name = generator, name_of(config.language), generator.name

    def write(self, prompts: Sequence[str], tokens: int, seed: int, done: Any) -> list[str]:
        asked = [
            f"Translate into {self._into}. Keep what stands in backticks. Reply with the translation alone.\n\n{text}"
            for text in prompts
        ]
        return self._generator.write(asked, tokens, seed, done)


class _Seq2Seq:
    """A translation model from a local folder, safetensors only."""

    def __init__(self, folder: Path, config: Config) -> None:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        self.name = folder.name
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
            self._model = AutoModelForSeq2SeqLM.from_pretrained(
                str(folder), trust_remote_code=False, local_files_only=True, use_safetensors=True
            ).eval()
        except (OSError, ValueError, KeyError) as error:
            why = str(error).splitlines()[0][:300]
            raise AdvisorError(f"the translation model in {folder} cannot be loaded", why=why) from None
        self._begin = self._tokenizer.convert_tokens_to_ids(config.token) if config.token else None
        if config.token and self._begin == self._tokenizer.unk_token_id:
            raise AdvisorError(f"the translation model does not know the token {config.token!r}")

    def write(self, prompts: Sequence[str], tokens: int, seed: int, done: Any) -> list[str]:
        import torch

        batch = self._tokenizer(list(prompts), return_tensors="pt", padding=True, truncation=True)
        extra = {"forced_bos_token_id": self._begin} if self._begin is not None else {}
        with torch.inference_mode():
            out = self._model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=tokens,
                do_sample=False,
                **extra,
            )
        done(len(prompts))
        return [text.strip() for text in self._tokenizer.batch_decode(out, skip_special_tokens=True)]
