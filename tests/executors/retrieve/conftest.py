"""A tiny real embedding model, documents, and an index over them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors import retrieve
from executors.artifact import write_manifest
from executors.protocol import Inputs

TOWNS = {"Aldorf": 1200, "Bexley": 3400, "Corvin": 5600, "Dunmore": 7800, "Elsin": 9100, "Farrow": 2300}


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random two-layer BERT as sentence-transformers saves it, with words as tokens."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("embedder")
    letters = [chr(code) for code in range(33, 127)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{c}" for c in letters)]
    tokenizer = Tokenizer(models.WordPiece({word: n for n, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
        )
        BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    kinds = [{"type": f"sentence_transformers.models.{kind}", "path": ""} for kind in ("Transformer", "Normalize")]
    (folder / "modules.json").write_text(json.dumps(kinds))
    return folder


@pytest.fixture
def towns(tmp_path: Path) -> Path:
    """A folder with one small document for each town."""
    folder = tmp_path / "towns"
    folder.mkdir()
    for name, people in TOWNS.items():
        bridge = f"## Bridge\n\nThe bridge of {name} was built in {people // 5}.\n"
        text = f"# {name}\n\nIn {name} live {people} people.\n\n{bridge}"
        (folder / f"{name.lower()}.md").write_text(text)
    return folder


@pytest.fixture
def make_index(embedder: Path, tmp_path: Path, listener: Any) -> Callable[..., Path]:
    """Builds an index of a folder through the executor, published with its manifest."""

    def make(documents: Path, name: str = "index", index: Path | None = None, say: Any = None, **settings: Any) -> Path:
        out = tmp_path / name
        out.mkdir(exist_ok=True)
        told: dict[str, Any] = {"data": {"path": str(documents), "kind": "documents"}, **settings}
        if index is None:
            told = {"embedder": str(embedder), "chunking": {"size": 48}, **told}
        roles: dict[str, Any] = {} if index is None else {"index": {"kind": "index", "path": str(index)}}
        inputs = Inputs.model_validate({"roles": roles, "scratch": str(tmp_path / f"{name}-scratch")})
        retrieve.run(retrieve.Config.model_validate(told), inputs, out, say or listener)
        write_manifest(out)
        return out

    return make
