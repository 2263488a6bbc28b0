"""executors/artifact.py: whole or not at all, and every damage named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from executors.artifact import MANIFEST, Manifest, publish, temporary, verify, write_durably, write_manifest


def save(target: Path, files: dict[str, bytes], **about: Any) -> Manifest:
    out = temporary(target)
    for name, data in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    manifest = write_manifest(out, Manifest(**about))
    publish(out, target)
    return manifest


def test_what_is_saved_verifies(tmp_path: Path) -> None:
    """A published folder verifies, with size and hash of each file, and leaves nothing beside it."""
    save(tmp_path / "artifact", {"a.bin": b"abc", "deep/b.bin": b""}, kind="adapter", seed=3)
    found = verify(tmp_path / "artifact")
    assert found.is_whole
    assert found.manifest is not None
    assert {name: record.bytes for name, record in found.manifest.files.items()} == {"a.bin": 3, "deep/b.bin": 0}
    assert found.manifest.bytes == 3
    assert (found.manifest.kind, found.manifest.seed) == ("adapter", 3)
    assert [p.name for p in tmp_path.iterdir()] == ["artifact"]


def test_hash_is_of_the_contents(tmp_path: Path) -> None:
    """The same files elsewhere, made otherwise, have the same hash; another name or byte has another."""
    first = save(tmp_path / "one", {"a": b"1"}, kind="adapter")
    assert first.sha256 == save(tmp_path / "two", {"a": b"1"}, technique="lora").sha256
    assert first.sha256 != save(tmp_path / "three", {"b": b"1"}).sha256
    assert first.sha256 != save(tmp_path / "four", {"a": b"2"}).sha256


@pytest.mark.parametrize(
    ("damage", "file", "reason"),
    [
        (lambda a: (a / "x").write_bytes(b"aZc"), "x", "other contents"),
        (lambda a: (a / "x").write_bytes(b"ab"), "x", "2 bytes instead of 3"),
        (lambda a: (a / "x").unlink(), "x", "is missing"),
        (lambda a: (a / "extra.py").write_text("import os"), "extra.py", "not in the manifest"),
        (lambda a: (a / MANIFEST).unlink(), MANIFEST, "is missing"),
        (lambda a: (a / MANIFEST).write_text("{"), MANIFEST, "is damaged"),
        (lambda a: (a / MANIFEST).write_text('{"files": {"../y": {"bytes": 1, "sha256": ""}}}'), "x", "not in the man"),
        (lambda a: ((a / "x").unlink(), (a / "x").symlink_to("/etc/passwd")), "x", "leads outside"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Any, file: str, reason: str) -> None:
    """A flipped, cut, missing, added or redirected file is named with what is wrong."""
    save(tmp_path / "artifact", {"x": b"abc"})
    damage(tmp_path / "artifact")
    found = verify(tmp_path / "artifact")
    assert not found.is_whole
    assert found.file == file
    assert reason in found.reason


def test_manifest_cannot_lead_outside(tmp_path: Path) -> None:
    """A manifest that names a file outside its folder does not verify, even when that file fits."""
    save(tmp_path / "artifact", {"x": b"abc"})
    folder = tmp_path / "artifact"
    (tmp_path / "y").write_bytes(b"abc")
    text = (folder / MANIFEST).read_text().replace('"x"', '"../y"')
    (folder / MANIFEST).write_text(text)
    (folder / "x").unlink()
    assert verify(folder).reason == "leads outside the folder"


def test_missing_folder(tmp_path: Path) -> None:
    """A folder that is not there does not verify, without an exception."""
    assert not verify(tmp_path / "nothing").is_whole


class Faults:
    """Lets the n-th operation that makes data durable fail."""

    def __init__(self, fails_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.fails_at = 0, fails_at
        monkeypatch.setattr(os, "fsync", self._counted(os.fsync))
        monkeypatch.setattr(Path, "replace", self._counted(Path.replace))

    def _counted(self, real: Any) -> Any:
        def operation(*args: Any) -> Any:
            self.count += 1
            if self.count == self.fails_at:
                raise OSError(28, "No space left on device")
            return real(*args)

        return operation


def test_every_failing_operation_keeps_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever sync or rename of a save fails, what stood under the name before still verifies, or the new does."""
    target = tmp_path / "artifact"
    save(target, {"x": b"old"})
    for number in range(1, 100):
        with monkeypatch.context() as patch:
            faults = Faults(number, patch)
            try:
                save(target, {"x": b"new", "y": b"more"})
            except OSError:
                assert verify(target).is_whole, f"after fault {number}"
            if faults.count < number:
                break
        save(target, {"x": b"old"})
    assert number > 6
    assert verify(target).is_whole


def test_leftovers_are_removed(tmp_path: Path) -> None:
    """What an interrupted attempt left beside the target is gone with the next attempt."""
    old = temporary(tmp_path / "artifact")
    (old / "half").write_bytes(b"1")
    save(tmp_path / "artifact", {"x": b"1"})
    assert [p.name for p in tmp_path.iterdir()] == ["artifact"]


def test_write_durably_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose sync fails keeps its old contents, and nothing lies beside it."""
    write_durably(tmp_path / "f", b"old")
    with monkeypatch.context() as patch:
        Faults(1, patch)
        with pytest.raises(OSError, match="No space"):
            write_durably(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
