"""An artifact against the model it was made from, kept beside it as `parity.json`: logits and greedy text on the same
prompts, the chat template, and the token that ends an answer.

It judges likeness, not quality. What is too unlike fails the step.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.parity import Greedy, ParityRecord
from executors.export.parity import Limits, compare, prompt_ids, report, require
from executors.protocol import Say
from executors.tensors.folder import read_json, write_json

if TYPE_CHECKING:
    import torch

RECORD = "parity.json"
GREEDY = 8
"""Tokens of greedy text. One model says them; then both are asked once, over prompt and text, where they would part."""
GREEDY_LARGE = 2
"""The same for models whose weights are read anew for each token."""

Answer = Callable[[list["torch.Tensor"]], list["torch.Tensor"]]
"""Logits [length, vocabulary] of each prompt, given as ids [length]."""
Speak = Callable[[list["torch.Tensor"]], list["torch.Tensor"]]
"""Prompts to the same with greedy text behind them."""


@dataclass(frozen=True)
class Voice:
    """How a model is addressed, and how it ends an answer. `ends`: token ids; `end_text`: the tokenizer's end token."""

    template: str | None
    ends: tuple[int, ...]
    end_text: str | None


@dataclass(frozen=True)
class Likeness:
    """Two models to be compared. `what` names the artifact, `against` the original; `speak` is the one of both that is
    asked faster. Order: `speak`, `copy`, `original`, each once."""

    what: str
    against: str
    original: Answer
    copy: Answer
    speak: Speak


def check_likeness(
    pair: Likeness, folder: Path, voices: tuple[Voice, Voice], limits: Limits, out: Path, say: Say
) -> None:
    """Compare, keep the record below `out`, and raise AdvisorError when the copy is too unlike its original.

    `folder`: the original's tokenizer. `voices`: of the original and of the copy.
    """
    prompts = prompt_ids(folder)
    texts = pair.speak(prompts)
    copy, original = pair.copy(texts), pair.original(texts)
    lengths = [len(ids) for ids in prompts]
    parity = compare(
        [logits[:length] for logits, length in zip(original, lengths, strict=True)],
        [logits[:length] for logits, length in zip(copy, lengths, strict=True)],
    )
    report(parity, say)
    record = ParityRecord(
        against=pair.against,
        kl=parity.kl,
        kl_limit=limits.kl,
        top1=parity.top1,
        top1_limit=limits.top1,
        max_difference=parity.max_diff,
        tokens=parity.tokens,
        greedy=_greedy(folder, lengths, texts, (original, copy)),
        template=_alike(voices[0].template, voices[1].template),
        end=_ends_alike(*voices),
    )
    share = record.greedy_share
    if share is not None:
        say.metric("parity_greedy", share)
    write_json(out / RECORD, record.model_dump(mode="json"))
    require(parity, limits, pair.what)
    _require_record(record, limits, pair.what)


def continued(answer: Answer, prompts: list[torch.Tensor], count: int) -> list[torch.Tensor]:
    """The prompts with `count` more tokens each, always the likeliest, of a model that keeps nothing between tokens."""
    import torch

    texts = prompts
    for _ in range(count):
        chosen = [logits[-1].argmax().reshape(1) for logits in answer(texts)]
        texts = [torch.cat((ids, token)) for ids, token in zip(texts, chosen, strict=True)]
    return texts


def name_of(folder: Path) -> str:
    """What a model is called in the record: an artifact by its step, others by their folder."""
    return folder.parent.name if folder.name == "artifact" else folder.name


def voice_of(folder: Path) -> Voice:
    """The voice of a model folder, from its files."""
    told = _json(folder / "tokenizer_config.json")
    template_file = folder / "chat_template.jinja"
    template = template_file.read_text(encoding="utf-8") if template_file.is_file() else told.get("chat_template")
    ends = _json(folder / "generation_config.json").get("eos_token_id")
    ends = _json(folder / "config.json").get("eos_token_id") if ends is None else ends
    end = told.get("eos_token")
    return Voice(
        template if template is None or isinstance(template, str) else json.dumps(template, sort_keys=True),
        tuple(ends) if isinstance(ends, list) else () if ends is None else (int(ends),),
        end.get("content") if isinstance(end, dict) else end,
    )


def voice_of_gguf(file: Path) -> Voice:
    """The voice of a GGUF file, from its metadata."""
    from executors.models.gguf_file import open_gguf

    metadata = open_gguf(file).metadata
    end = metadata.get("tokenizer.ggml.eos_token_id")
    tokens = metadata.get("tokenizer.ggml.tokens") or []
    text = tokens[end] if isinstance(end, int) and end < len(tokens) else None
    return Voice(metadata.get("tokenizer.chat_template"), () if end is None else (int(end),), text)


def _greedy(
    folder: Path, lengths: list[int], texts: list[torch.Tensor], both: tuple[list[torch.Tensor], list[torch.Tensor]]
) -> tuple[Greedy, ...]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    found = []
    for length, ids, *logits in zip(lengths, texts, *both, strict=True):
        one, other = (found_by[length - 1 : len(ids) - 1].argmax(-1).tolist() for found_by in logits)
        tokens = len(ids) - length
        same = next((at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), tokens)
        prompt, text = (str(tokenizer.decode(part.tolist())) for part in (ids[:length], ids[length:]))
        found.append(Greedy(prompt=prompt, text=text, same=same, tokens=tokens))
    return tuple(found)


def _alike(before: object, after: object) -> Literal["same", "none", "differs"]:
    if before is None and after is None:
        return "none"
    return "same" if before == after else "differs"


def _ends_alike(before: Voice, after: Voice) -> Literal["same", "none", "differs"]:
    if not (before.ends or before.end_text):
        return "none"
    # A GGUF file names one end where a folder may name several.
    is_same_id = set(after.ends) <= set(before.ends) if before.ends and after.ends else not before.ends
    is_same_text = before.end_text is None or before.end_text == after.end_text
    return "same" if is_same_id and (is_same_text or len(before.ends) > 1) else "differs"


def _require_record(record: ParityRecord, limits: Limits, what: str) -> None:
    trouble = ""
    if record.template == "differs":
        trouble = "its chat template is another one"
    elif record.end == "differs":
        trouble = "it ends its answers with another token"
    elif (record.greedy_share or 0.0) < limits.greedy:
        trouble = f"only {record.greedy_share:.0%} of the greedy text is the same (at least {limits.greedy:.0%})"
    if trouble:
        raise AdvisorError(
            f"{what} does not speak as the model it was made from",
            why=trouble,
            hint="run the step again; if it stays, report it",
            code=ExitCode.RUN_FAILED,
        )


def _json(file: Path) -> dict[str, Any]:
    return read_json(file) if file.is_file() else {}
