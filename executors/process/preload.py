"""A heavy library imported by a thread of its own, while the process does what does not need it yet."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_under_way: set[str] = set()


@contextmanager
def importing(name: str) -> Iterator[None]:
    """Begin to import `name`, and wait for it on leaving. What fails then fails again, and is told, where it is needed.

    Inside, hash or read files and start processes, but import nothing that needs it: two threads that wait for each
    other's modules are shown half-made ones.
    """
    if name in sys.modules:
        yield
        return
    _under_way.add(name)
    collects = gc.isenabled()
    gc.disable()  # An import makes much that stays: looking for garbage meanwhile takes a tenth of its time.
    thread = threading.Thread(target=_import, args=(name,), name=f"import {name}")
    thread.start()
    try:
        yield
    finally:
        thread.join()
        _under_way.discard(name)
        if collects:
            gc.enable()


def is_imported(name: str) -> bool:
    """Whether `name` is there already; one that is being imported is not."""
    return name in sys.modules and name not in _under_way


def _import(name: str) -> None:
    with contextlib.suppress(BaseException):
        importlib.import_module(name)
