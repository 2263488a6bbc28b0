"""The compiled knowledge: one JSON file in the user's cache folder, so that a start needs no YAML.

The file is untrusted input like any other: it counts only when it is a regular file of this user, carries the key of
the present knowledge files, and validates. Nothing here fails a command: without a usable cache the YAML is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from advisor import __version__
from advisor.domain.knowledge import Knowledge

MAX_BYTES = 32 << 20


def key_of(root: Path) -> str:
    """A digest of name, size and time of every knowledge file, and of the code that reads them."""
    digest = hashlib.sha256(__version__.encode())
    package = Path(__file__).resolve().parent.parent
    folders = ((root, ".yaml"), (package / "knowledge", ".py"), (package / "domain", ".py"))
    for folder, suffix in folders:
        for name, status in sorted(_files(folder, suffix)):
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def read(root: Path, key: str) -> Knowledge | None:
    """The cached knowledge, or None when there is none that belongs to `key`."""
    path = _path(root)
    content = None if path is None else _content(path)
    if content is None:
        return None
    head, _, body = content.partition(b"\n")
    if head != key.encode():
        return None
    try:
        return Knowledge.model_validate_json(body)
    except ValidationError:
        return None


def write(root: Path, key: str, knowledge: Knowledge) -> None:
    """Replace the cached knowledge in one step. A folder that cannot be written is left as it is."""
    path = _path(root)
    if path is None:
        return
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    body = knowledge.model_dump_json(by_alias=True, exclude_defaults=True).encode()
    # A read-only or full home only costs the next start its speed.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(key.encode() + b"\n" + body)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)


def _files(root: Path, suffix: str, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    try:
        entries = list(os.scandir(root))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir():
            yield from _files(Path(entry.path), suffix, f"{prefix}{entry.name}/")
        elif entry.name.endswith(suffix):
            yield prefix + entry.name, entry.stat()


def _content(path: Path) -> bytes | None:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            is_ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
            if not stat.S_ISREG(status.st_mode) or not is_ours or status.st_size > MAX_BYTES:
                return None
            return file.read()
    except OSError:
        return None


def _path(root: Path) -> Path | None:
    """Where the knowledge of `root` is cached; None when this user has no cache folder."""
    folder = _cache_folder()
    if folder is None:
        return None
    return folder / f"knowledge-{hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:12]}.json"


def _cache_folder() -> Path | None:
    if not sys.platform.startswith("linux"):
        from platformdirs import user_cache_path

        return user_cache_path("technique-advisor", appauthor=False)
    # What platformdirs answers on Linux, without its import.
    given = os.environ.get("XDG_CACHE_HOME", "").strip()
    home = os.path.expanduser("~")  # noqa: PTH111 (Path.expanduser raises where there is no home)
    base = Path(given) if given else Path(home, ".cache") if home != "/" else Path()
    return base / "technique-advisor" if base.is_absolute() else None
