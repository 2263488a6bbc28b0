"""Tests of executors.datasets.file_tokenizer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from transformers import AutoTokenizer

from advisor.domain.plan import DataSpec
from advisor.domain.words import DataKind
from executors.datasets import load
from executors.datasets.file_tokenizer import FileTokenizer, open_tokenizer
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
