"""What the compiled cache promises: never wrong, never in the way, never trusted."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.knowledge import cache, load_knowledge

Trees = Callable[..., Path]
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX files")


def written(home: Path) -> Path:
    """The one file in the cache."""
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) == 1
    return files[0]


def test_one_private_file(trees: Trees, cache_home: Path) -> None:
    """Loading twice leaves one file, readable by its owner only, and no temporary ones."""
    root = trees()
    load_knowledge(root)
    load_knowledge(root)
    assert stat.S_IMODE(written(cache_home).stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["empty", "cut", "other key", "no knowledge", "binary"])
def test_damaged(trees: Trees, cache_home: Path, damage: str) -> None:
    """A cache file that is damaged in any way is passed over and replaced."""
    root = trees()
    knowledge = load_knowledge(root)
    path = written(cache_home)
    whole = path.read_bytes()
    key, _, body = whole.partition(b"\n")
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[: len(whole) // 2],
            "other key": b"0" * 64 + b"\n" + body,
            "no knowledge": key + b'\n{"tree": 1}',
            "binary": key + b"\n\xff\xfe\x00",
        }[damage]
    )
    assert load_knowledge(root) == knowledge
    assert path.read_bytes() == whole


@posix
def test_link_is_not_followed(trees: Trees, cache_home: Path, tmp_path: Path) -> None:
    """A link in place of the cache file is neither read nor written through."""
    root = trees()
    knowledge = load_knowledge(root)
    path = written(cache_home)
    other = tmp_path / "other"
    path.rename(other)
    before = other.read_bytes()
    path.symlink_to(other)
    assert cache.read(root, cache.key_of(root)) is None
    assert load_knowledge(root) == knowledge
    assert other.read_bytes() == before
    assert not path.is_symlink()


@posix
def test_pipe_does_not_hang(trees: Trees, cache_home: Path) -> None:
    """A pipe in place of the cache file does not block the start."""
    root = trees()
    knowledge = load_knowledge(root)
    path = written(cache_home)
    path.unlink()
    os.mkfifo(path)
    assert load_knowledge(root) == knowledge


@pytest.mark.parametrize("obstacle", ["a file", "relative", "not writable"])
def test_no_cache(trees: Trees, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str) -> None:
    """Without a cache folder that can be written, knowledge still loads."""
    root = trees()
    home = tmp_path / "home"
    if obstacle == "a file":
        home.write_text("")
    elif obstacle == "not writable":
        home.mkdir(mode=0o500)
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute" if obstacle == "relative" else str(home))
    assert load_knowledge(root).technique("gptq").id == "gptq"
    assert not Path("not").exists()


def test_no_home(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home folder, knowledge still loads."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "")
    assert load_knowledge(trees()).technique("gptq").id == "gptq"


def test_key_follows_files(trees: Trees) -> None:
    """The key changes when a file is added, changed in size or in time, and not otherwise."""
    root = trees()
    keys = [cache.key_of(root), cache.key_of(root)]
    assert keys[0] == keys[1]
    os.utime(root / "rules.yaml", ns=(5, 5))
    keys.append(cache.key_of(root))
    (root / "techniques" / "awq.yaml").write_text("id: awq")
    keys.append(cache.key_of(root))
    (root / "techniques" / "awq.yaml").write_text("id: awq\n")
    keys.append(cache.key_of(root))
    assert len(set(keys[1:])) == 4
