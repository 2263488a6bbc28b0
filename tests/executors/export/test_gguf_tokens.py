"""Tests of executors.export.gguf_tokens."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from executors.export.gguf_tokens import CONTROL, NORMAL, UNUSED, USER_DEFINED, read_vocabulary
from executors.models.gguf_tokenizer import PATTERNS

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}


@pytest.fixture
def editable(tiny_model: Path, tmp_path: Path) -> Any:
    """A copy of the model whose tokenizer.json can be changed by keyword."""

    def edit(**changes: Any) -> Path:
        folder = tmp_path / "model"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tiny_model, folder)
        content = json.loads((folder / "tokenizer.json").read_text())
        (folder / "tokenizer.json").write_text(json.dumps({**content, **changes}))
        return folder

    return edit


def test_the_vocabulary_is_that_of_the_tokenizer(tiny_model: Path) -> None:
    """Every id has its token, specials are control tokens, roles and chat template are kept."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    found = read_vocabulary(tiny_model, 512)
    assert found.tokens[: len(tokenizer)] == tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    assert found.types[:3] == [CONTROL] * 3 and found.types[3] == NORMAL
    assert found.named == {"bos": 1, "eos": 2, "unknown": 0, "padding": 2}
    assert found.chat_template == tokenizer.chat_template
    assert (found.pre, found.is_pre_known, found.adds_bos) == ("smollm", True, False)


def test_rows_without_a_token_are_marked_unused(tiny_model: Path) -> None:
    """An embedding larger than the vocabulary is filled up with unused tokens."""
    found = read_vocabulary(tiny_model, 520)
    assert (len(found.tokens), found.types[519], found.tokens[519]) == (520, UNUSED, "[PAD519]")


@pytest.mark.parametrize(
    ("pre", "name", "is_known"),
    [
        (BYTES, "gpt-2", True),
        ({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTES]}, "smollm", True),
        *(
            (
                {
                    "type": "Sequence",
                    "pretokenizers": [
                        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
                        {**BYTES, "use_regex": False},
                    ],
                },
                name,
                True,
            )
            for name, pattern in PATTERNS.items()
        ),
        ({"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "x"}}, BYTES]}, "gpt-2", False),
    ],
)
def test_the_way_of_splitting_is_named(editable: Any, pre: dict[str, Any], name: str, is_known: bool) -> None:
    """SmolLM, Llama 3, Qwen2 and GPT-2 splitting are recognised; anything else is called gpt-2 and marked unknown."""
    found = read_vocabulary(editable(pre_tokenizer=pre), 512)
    assert (found.pre, found.is_pre_known) == (name, is_known)


def test_a_template_that_begins_with_bos_is_seen(editable: Any) -> None:
    """A post-processor that puts a special token first makes the file say so."""
    post = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}]}
    nested = {"type": "Sequence", "processors": [{"type": "ByteLevel"}, post]}
    assert read_vocabulary(editable(post_processor=post), 512).adds_bos
    assert read_vocabulary(editable(post_processor=nested), 512).adds_bos


def test_added_words_are_not_control_tokens(editable: Any, tiny_model: Path) -> None:
    """A word added without being special is user-defined: it is text."""
    added = json.loads((tiny_model / "tokenizer.json").read_text())["added_tokens"]
    added.append({**added[0], "id": 511, "content": "wholeword", "special": False})
    found = read_vocabulary(editable(added_tokens=added), 512)
    assert (found.tokens[511], found.types[511]) == ("wholeword", USER_DEFINED)


@pytest.mark.parametrize(
    "model", [{"type": "Unigram", "vocab": []}, {"type": "BPE", "byte_fallback": True, "vocab": {}}]
)
def test_other_kinds_of_tokenizers_are_refused(editable: Any, model: dict[str, Any]) -> None:
    """Unigram and byte-fallback vocabularies are refused, not mangled."""
    with pytest.raises(AdvisorError, match="not byte-level BPE"):
        read_vocabulary(editable(model=model), 512)


def test_more_tokens_than_rows_are_refused(tiny_model: Path) -> None:
    """A tokenizer that does not fit the embedding is refused."""
    with pytest.raises(AdvisorError, match="for an embedding of 100 rows"):
        read_vocabulary(tiny_model, 100)
