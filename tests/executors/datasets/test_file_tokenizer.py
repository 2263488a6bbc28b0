"""Tests of executors.datasets.file_tokenizer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer
from transformers.models.auto.tokenization_auto import (
    MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS,
    TOKENIZER_MAPPING_NAMES,
)

from advisor.domain.plan import DataSpec
from advisor.domain.words import DataKind
from executors.datasets import load
from executors.datasets.file_tokenizer import PLAIN, TYPES, FileTokenizer, open_tokenizer
from executors.datasets.render import encode, token_ids


def test_encoding_equals_that_of_transformers(tiny_model: Path) -> None:
    """Rows of conversations and of texts give the same ids and labels, and `token_ids` the same ids."""
    own, theirs = open_tokenizer(tiny_model), AutoTokenizer.from_pretrained(tiny_model)
    assert isinstance(own, FileTokenizer)
    for kind in (DataKind.INSTRUCTIONS, DataKind.TEXT):
        rows = load(DataSpec(path="builtin:stdlib", kind=kind), "train")[:40]
        assert encode(rows, own, 100_000) == encode(rows, theirs, 100_000)
        assert token_ids(rows, own) == [one.ids for one in encode(rows, theirs, 100_000)]


def test_other_tokenizers_are_left_to_transformers(tiny_model: Path, tmp_path: Path) -> None:
    """A class that may change what tokenizer.json says, and several templates, are opened by transformers."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    file = folder / "tokenizer_config.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "tokenizer_class": "Qwen2Tokenizer"}))
    assert not isinstance(open_tokenizer(folder), FileTokenizer)
    file.write_text(json.dumps({**told, "chat_template": [{"name": "default", "template": "x"}]}))
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    assert not isinstance(open_tokenizer(folder), FileTokenizer)


SHARP = {"content": "first", "special": True, "normalized": False}
# The accent is a character of its own, which the normalizer of qwen2 joins to its letter.
TEXT = "Numbers 0123 <|im_end|> and the first cape\u0301"


def _changed(tiny_model: Path, folder: Path, **files: dict[str, Any]) -> Path:
    """A copy of the model with entries of its JSON files changed or added."""
    shutil.copytree(tiny_model, folder)
    for name, changes in files.items():
        file = folder / f"{name}.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**known, **changes}))
    return folder


def _ids(tokenizer: Any) -> list[int]:
    return list(tokenizer([TEXT], add_special_tokens=False, return_offsets_mapping=True)["input_ids"][0])


@pytest.mark.parametrize(
    ("files", "differs"),
    [
        ({"config": {"model_type": "qwen2"}}, True),
        ({"special_tokens_map": {"mask_token": "first"}}, True),
        ({"added_tokens": {"first": 600}}, True),
        ({"tokenizer_config": {"split_special_tokens": True}}, True),
        ({"tokenizer_config": {"extra_special_tokens": ["first"]}}, True),
        ({"tokenizer_config": {"extra_special_tokens": {"image_token": "first"}}}, True),
        ({"tokenizer_config": {"mask_token": "first"}}, True),
        ({"tokenizer_config": {"added_tokens_decoder": {"600": SHARP}}}, True),
        ({"config": {"model_name": "qwen2"}}, False),
    ],
)
def test_the_ids_are_those_of_transformers(
    tiny_model: Path, tmp_path: Path, files: dict[str, Any], differs: bool
) -> None:
    """Where transformers adds tokens or takes a class of its own, its ids are given; some of them differ from the fast
    way's, which would be wrong."""
    folder = _changed(tiny_model, tmp_path / "model", **files)
    found = open_tokenizer(folder)
    assert not isinstance(found, FileTokenizer)
    assert _ids(found) == _ids(AutoTokenizer.from_pretrained(folder))
    told = json.loads((folder / "tokenizer_config.json").read_text())
    assert (_ids(FileTokenizer(folder, told, None)) != _ids(found)) == differs


def test_what_says_the_same_twice_is_opened_fast(tiny_model: Path, tmp_path: Path) -> None:
    """Tokens that are listed as tokenizer.json has them, even beside files that are then not read, change nothing."""
    tokens = json.loads((tiny_model / "tokenizer.json").read_text())["added_tokens"]
    listed = {str(token["id"]): {key: value for key, value in token.items() if key != "id"} for token in tokens}
    told = {"added_tokens_decoder": listed, "tokenizer_class": "PreTrainedTokenizerFast"}
    folder = _changed(tiny_model, tmp_path / "same", tokenizer_config=told, special_tokens_map={"mask_token": "first"})
    own = open_tokenizer(folder)
    assert isinstance(own, FileTokenizer)
    assert _ids(own) == _ids(AutoTokenizer.from_pretrained(folder))
    other = {**told, "added_tokens_decoder": {**listed, "0": {**listed["0"], "lstrip": True}}}
    folder = _changed(tiny_model, tmp_path / "other", tokenizer_config=other)
    assert not isinstance(open_tokenizer(folder), FileTokenizer)


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_transformers_takes_no_class_of_its_own_for_these_types(kind: str) -> None:
    """The installed transformers registers none for them, nor does it mistrust the class that is named."""
    assert TOKENIZER_MAPPING_NAMES.get(kind) in (None, *PLAIN)
    assert kind not in MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS
