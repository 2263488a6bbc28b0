"""`advisor.probe.model`: folders, names, and what is refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.knowledge import Catalog, CatalogModel
from advisor.probe.model import probe_model
from advisor.probe.model_config import shape_from_config
from executors.quantize.compressed_form import Form

CONFIG = {"model_type": "llama", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "vocab_size": 32}
CONFIG |= {"num_attention_heads": 2, "tie_word_embeddings": True, "max_position_embeddings": 64}
TENSORS = {"model.embed_tokens.weight": ("BF16", [32, 8]), "model.norm.weight": ("F32", [8])}
SMOLLM = CatalogModel(
    ids=("HuggingFaceTB/SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M"),
    shape=shape_from_config(CONFIG),
    params_b=0.1345,
)
CATALOG = Catalog(models=(SMOLLM,))
PACK = {"quant_method": "compressed-tensors", "format": "pack-quantized"}
PACKED = "compressed-tensors pack-quantized"

Write = Callable[[Path, dict[str, tuple[str, list[int]]]], None]


@pytest.fixture
def folder(tmp_path: Path, write_safetensors: Write) -> Path:
    """A whole, tiny model folder."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    write_safetensors(tmp_path / "model.safetensors", TENSORS)
    return tmp_path


def refused(folder: Path) -> AdvisorError:
    """The error that probing the folder ends with."""
    with pytest.raises(AdvisorError) as caught:
        probe_model(str(folder), CATALOG)
    return caught.value


def test_a_folder_is_read_exactly(folder: Path) -> None:
    """Parameters, dtype, size and context come from the headers and config.json."""
    found = probe_model(str(folder), CATALOG)
    assert found.shape is not None
    assert (found.shape.params, found.shape.dtype, found.dtype) == (32 * 8 + 8, "bfloat16", "bfloat16")
    assert (found.kind, found.quantized, found.context_length, found.origin) == ("base", None, 64, "local")
    assert found.disk_bytes == (folder / "model.safetensors").stat().st_size


def test_a_model_that_transformers_saved_is_counted_as_torch_counts_it(tmp_path: Path) -> None:
    """The parameter count equals that of the module, tied head counted once, in several shards."""
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(**{**CONFIG, "hidden_size": 64, "num_hidden_layers": 3, "bos_token_id": 1})
    model = transformers.LlamaForCausalLM(config)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    found = probe_model(str(tmp_path), CATALOG)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert found.params_b == sum(p.numel() for p in model.parameters()) / 1e9


def test_a_chat_template_makes_it_an_instruct_model(folder: Path) -> None:
    """Inside tokenizer_config.json or as a file of its own."""
    (folder / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    assert probe_model(str(folder), CATALOG).kind == "instruct"


def test_missing_shards_are_named(folder: Path) -> None:
    """The index names a shard that is not there: the message names it."""
    mapping = {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": mapping}))
    assert "model-00002-of-00002.safetensors" in refused(folder).what


def test_shards_without_an_index_are_counted_by_their_names(folder: Path) -> None:
    """`-of-00003` tells that two more belong to it."""
    (folder / "model.safetensors").rename(folder / "model-00001-of-00003.safetensors")
    assert "model-00002-of-00003.safetensors, model-00003-of-00003.safetensors" in refused(folder).what


def test_an_index_cannot_point_outside_its_folder(folder: Path) -> None:
    """A shard name with a path is refused for safety."""
    index = {"weight_map": {"a": "../../etc/passwd"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert refused(folder).code is ExitCode.REFUSED


@pytest.mark.parametrize("keep", [0, 4, 8, 60, -1])
def test_a_file_that_is_cut_off_is_refused_by_name(folder: Path, keep: int) -> None:
    """Cut at any byte, before torch sees it."""
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert "model.safetensors" in refused(folder).what


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "BF16", "shape": [32, 9], "data_offsets": [0, 512]},
        {"dtype": "BF16", "shape": [-1], "data_offsets": [0, 512]},
        {"dtype": "XX", "shape": [256], "data_offsets": [0, 512]},
        {"dtype": "BF16", "shape": [256], "data_offsets": [8, 520]},
        {"dtype": "BF16", "shape": [256]},
        "text",
    ],
)
def test_a_forged_header_is_refused(folder: Path, entry: object) -> None:
    """Sizes that do not add up, unknown dtypes, gaps and nonsense are refused by name."""
    raw = json.dumps({"w": entry}).encode()
    (folder / "model.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(512))
    assert "model.safetensors" in refused(folder).what


def test_a_pointer_of_git_lfs_is_told_as_such(folder: Path) -> None:
    """A file that was never fetched says how to fetch it."""
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 10\n")
    assert "git lfs pull" in refused(folder).hint


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors", "weights.pt"])
@pytest.mark.parametrize("start", [pickle.dumps({"a": 1}), b"PK\x03\x04" + bytes(300)])
def test_pickles_are_refused_by_their_bytes(folder: Path, name: str, start: bytes) -> None:
    """Whatever the file is called, a pickle or PyTorch's archive of one ends with exit 8."""
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(start)
    assert refused(folder).code is ExitCode.REFUSED


def test_a_pickle_beside_safetensors_is_not_looked_at(folder: Path) -> None:
    """A repository with both is read from its safetensors."""
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    assert probe_model(str(folder), CATALOG).origin == "local"


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_repository_that_wants_its_code_run_is_refused(folder: Path, name: str) -> None:
    """`auto_map` in either file ends with exit 8."""
    (folder / name).write_text(json.dumps({**CONFIG, "auto_map": {"AutoModel": "evil.Model"}}))
    assert refused(folder).code is ExitCode.REFUSED


def test_an_adapter_is_no_model_and_its_base_is_named(folder: Path) -> None:
    """A PEFT folder is recognised, with what to give instead."""
    (folder / "model.safetensors").unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
    error = refused(folder)
    assert "adapter" in error.what and "org/base" in error.hint


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass")])
def test_a_broken_configuration_is_one_message(folder: Path, text: str | bytes) -> None:
    """Empty, wrong, torn, bottomless or not UTF-8: each is an error that names the file."""
    (folder / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert "config.json" in refused(folder).what


def test_a_folder_or_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """An empty folder, a text file, and a path that is not there."""
    (tmp_path / "notes.txt").write_text("hello")
    assert "not a model" in refused(tmp_path).what
    assert "not a model" in refused(tmp_path / "notes.txt").what
    assert "no model at" in refused(tmp_path / "nothing" / "here").what


@pytest.mark.parametrize(
    ("declared", "tensors", "kind", "params"),
    [
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
            {"w": ("U8", [512, 1]), "w.absmax": ("F32", [16]), "w.quant_state.bitsandbytes__nf4": ("U8", [90])},
            "nf4",
            1024,
        ),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, {"w": ("F16", [64])}, "bnb-int8", 64),
        (
            {"quant_method": "gptq", "bits": 4},
            {"w.qweight": ("I32", [16, 8]), "w.qzeros": ("I32", [1, 1]), "w.scales": ("F16", [1, 8])},
            "gptq",
            1024,
        ),
        ({"quant_method": "mxfp4"}, {"w_blocks": ("U8", [4, 16]), "w_scales": ("U8", [4])}, "mxfp4", 128),
        ({"quant_method": "awq", "bits": 4}, {"w.qweight": ("I32", [16, 8])}, "awq", 1024),
        (Form("pack-quantized", 8, 32).config(), {"w.weight_packed": ("I32", [16, 8])}, PACKED, 512),
        (Form("pack-quantized", 3, 32).config(), {"w.weight_packed": ("I32", [16, 12])}, PACKED, 2048),
        ({**PACK, "config_groups": {"group_0": "?"}}, {"w.weight_packed": ("I32", [16, 8])}, PACKED, 1024),
    ],
)
def test_quantized_weights_are_named_and_counted_unpacked(
    folder: Path, write_safetensors: Write, declared: dict[str, Any], tensors: dict[str, Any], kind: str, params: int
) -> None:
    """Packed tensors count for the parameters they hold; scales and tables do not count."""
    (folder / "config.json").write_text(json.dumps({**CONFIG, "quantization_config": declared}))
    write_safetensors(folder / "model.safetensors", tensors)
    found = probe_model(str(folder), CATALOG)
    assert (found.quantized, found.params_b) == (kind, params / 1e9)


@pytest.mark.parametrize(
    ("model_id", "origin", "params_b", "kind", "quantized"),
    [
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "catalog", 0.1345, "instruct", None),
        ("huggingfacetb/smollm2-135m", "catalog", 0.1345, "base", None),
        ("someone/SmolLM2-135M-Instruct-bnb-4bit", "name", 0.1345, "instruct", "nf4"),
        ("someone/SmolLM2-135M-Instruct-Q4_K_M-GGUF", "name", 0.135, "instruct", "gguf"),
        ("org/Great-8B-Chat", "name", 8.0, "instruct", None),
        ("org/great-30b-a3b", "name", 30.0, None, None),
        ("org/great-1.5b-base-GPTQ-Int4", "name", 1.5, "base", "gptq"),
        ("org/moe-8x7B", "name", 56.0, None, None),
        ("org/great-v2", "unknown", None, None, None),
        ("org/w-4bit", "unknown", None, None, "nf4"),
        ("org/999999999b", "unknown", None, None, None),
    ],
)
def test_a_hub_id_is_known_by_the_catalogue_or_by_its_name(
    model_id: str, origin: str, params_b: float | None, kind: str | None, quantized: str | None
) -> None:
    """Exact id, same name under another owner, size in the name; else unknown, which is None and no guess."""
    found = probe_model(model_id, CATALOG)
    assert (found.origin, found.params_b, found.kind, found.quantized) == (origin, params_b, kind, quantized)


def test_the_built_in_model_is_known_without_being_loaded() -> None:
    """Its facts come from the catalogue; another built-in id is an error that names those there are."""
    found = probe_model("builtin:smollm2-135m-instruct", CATALOG)
    assert (found.origin, found.params_b, found.kind) == ("builtin", 0.1345, "instruct")
    with pytest.raises(AdvisorError) as caught:
        probe_model("builtin:other", CATALOG)
    assert "builtin:smollm2-135m-instruct" in caught.value.hint
