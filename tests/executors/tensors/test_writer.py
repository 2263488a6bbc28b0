"""Tests of executors.tensors.writer."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from advisor.domain.errors import AdvisorError, ExitCode
from executors.tensors.folder import INDEX, open_model, write_json
from executors.tensors.source import FolderSource
from executors.tensors.writer import TensorSpec, TensorWriter

TENSORS = {
    "a": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "b": torch.tensor([1.5, -2.0, 3.25], dtype=torch.bfloat16),
    "c": torch.arange(5, dtype=torch.uint8),
    "d": torch.ones(4, 4, dtype=torch.float16),
}
WORDS = {torch.float32: "F32", torch.bfloat16: "BF16", torch.uint8: "U8", torch.float16: "F16"}
SPECS = [TensorSpec(name, WORDS[tensor.dtype], tuple(tensor.shape)) for name, tensor in TENSORS.items()]


def test_another_library_reads_what_was_written_in_any_order(tmp_path: Path) -> None:
    """Tensors written in reverse order are read by safetensors with equal values, names and types."""
    with TensorWriter(tmp_path, SPECS) as writer:
        for name in reversed(TENSORS):
            writer.write(name, TENSORS[name])
    found = load_file(tmp_path / "model.safetensors")
    assert set(found) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_shards_are_listed_in_the_index_and_read_back(tmp_path: Path) -> None:
    """A small shard size splits the model over files that the index names, and the folder reads back equal."""
    with TensorWriter(tmp_path, SPECS, shard_bytes=30) as writer:
        for name, tensor in TENSORS.items():
            writer.write(name, tensor)
    write_json(tmp_path / "config.json", {"model_type": "llama"})
    assert (tmp_path / INDEX).is_file()
    folder = open_model(tmp_path)
    assert len({info.file for info in folder.tensors.values()}) == 3
    source = FolderSource(folder)
    assert all(torch.equal(source.read(name), tensor) for name, tensor in TENSORS.items())


def test_a_forgotten_tensor_is_an_error(tmp_path: Path) -> None:
    """Closing with a declared tensor unwritten raises, so that a hole never looks like a model."""
    with pytest.raises(ValueError, match="not written"), TensorWriter(tmp_path, SPECS) as writer:
        writer.write("a", TENSORS["a"])


@pytest.mark.parametrize("tensor", [torch.zeros(3, 2), torch.zeros(2, 3, dtype=torch.float16)])
def test_a_tensor_of_another_shape_or_width_is_refused(tmp_path: Path, tensor: torch.Tensor) -> None:
    """What does not fit its declared place is never written."""
    writer = TensorWriter(tmp_path, SPECS)
    with pytest.raises(ValueError, match="declared"):
        writer.write("a", tensor)
    writer.abandon()


def test_existing_weights_are_never_overwritten(tmp_path: Path) -> None:
    """A folder that already holds weights is refused with the disk exit code."""
    (tmp_path / "model.safetensors").write_bytes(b"precious")
    with pytest.raises(AdvisorError) as caught:
        TensorWriter(tmp_path, SPECS)
    assert caught.value.code is ExitCode.DISK
    assert (tmp_path / "model.safetensors").read_bytes() == b"precious"


def test_a_full_disk_is_met_before_the_first_tensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When space cannot be reserved the writer refuses at once, with the disk exit code and what to do."""

    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(AdvisorError, match="No space left") as caught:
        TensorWriter(tmp_path, SPECS)
    assert caught.value.code is ExitCode.DISK
    assert caught.value.hint


def test_a_sync_that_fails_on_the_way_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is told to write beside the work; when that fails, the writer does, even if the last sync would not."""
    calls: list[int] = []

    def fail_once(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("executors.tensors.writer.SYNC_BYTES", 1)
    monkeypatch.setattr("executors.tensors.writer.os.fsync", fail_once)
    with (
        pytest.raises(AdvisorError, match="cannot write"),
        TensorWriter(tmp_path, [TensorSpec("a", "F32", (4,))]) as writer,
    ):
        writer.write("a", torch.zeros(4))
