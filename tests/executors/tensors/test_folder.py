"""Tests of executors.tensors.folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from executors.tensors.folder import INDEX, open_model


def test_a_model_folder_opens_without_reading_weights(tiny_model: Path) -> None:
    """Architecture, tying, parameter count and sizes come from config and headers."""
    model = open_model(tiny_model)
    assert (model.arch, model.is_tied, model.quantized) == ("llama", True, None)
    assert model.bytes == 2 * model.params
    assert model.largest == 512 * 64 * 2


def test_a_missing_shard_is_named(tiny_model: Path, tmp_path: Path) -> None:
    """An index that names a file which is not there is refused with the file's name."""
    shutil.copy(tiny_model / "config.json", tmp_path)
    weight_map = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(AdvisorError, match="lacks 2 of 2 weight files: model-00001"):
        open_model(tmp_path)


def test_an_index_that_points_outside_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    """Weight files stay inside their folder."""
    shutil.copy(tiny_model / "config.json", tmp_path)
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"a": "../elsewhere.safetensors"}}))
    with pytest.raises(AdvisorError) as caught:
        open_model(tmp_path)
    assert caught.value.code is ExitCode.REFUSED


def test_a_model_with_its_own_code_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    """`auto_map` means foreign code: refused for safety before anything is loaded."""
    config = json.loads((tiny_model / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "x.Y"}}))
    with pytest.raises(AdvisorError) as caught:
        open_model(tmp_path)
    assert caught.value.code is ExitCode.REFUSED


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no config.json"),
        ({"config.json": "{"}, "cannot read"),
        ({"config.json": "[]"}, "does not hold a JSON object"),
        ({"config.json": "{}"}, "no safetensors weights"),
        ({"config.json": "{}", "pytorch_model.bin": "x"}, "no safetensors weights"),
        ({"config.json": "{}", INDEX: "{}"}, "no weight_map"),
    ],
)
def test_what_is_not_a_model_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    """Each way of not being a model folder has its own message."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(AdvisorError, match=message):
        open_model(tmp_path)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    """A path without a folder says so."""
    with pytest.raises(AdvisorError, match="no model folder"):
        open_model(tmp_path / "nowhere")


def test_a_hub_id_is_looked_for_in_the_local_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id with one slash that is no folder is a hub id; offline and not cached, the message says what to do."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(AdvisorError, match="someone/model-that-does-not-exist is not on this machine") as caught:
        open_model("someone/model-that-does-not-exist")
    assert caught.value.hint
