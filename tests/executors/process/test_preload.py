"""Tests of executors.process.preload."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from executors.process.preload import importing, is_imported


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module whose import waits until the test lets it go on."""
    text = "import tests.executors.process.test_preload as t\nt.BEGUN.set()\nassert t.GO.wait(20)\n"
    (tmp_path / "slow_to_import.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    BEGUN.clear()
    GO.clear()
    yield "slow_to_import"
    sys.modules.pop("slow_to_import", None)


BEGUN, GO = threading.Event(), threading.Event()


def test_the_process_goes_on_while_a_library_is_imported(slow: str) -> None:
    """Inside, the import is under way and not said to be done; afterwards it is, and garbage is collected again."""
    with importing(slow):
        assert BEGUN.wait(20)
        assert slow in sys.modules and not is_imported(slow)
        assert not gc.isenabled()
        GO.set()
    assert is_imported(slow)
    assert gc.isenabled()
    with importing(slow):
        assert is_imported(slow)


def test_an_import_that_fails_is_told_where_the_library_is_needed() -> None:
    """Importing what is not there ends without an error, and the library is not said to be there."""
    with importing("no_library_of_this_name"):
        pass
    assert not is_imported("no_library_of_this_name")
    assert gc.isenabled()


def test_what_fails_inside_is_raised_after_the_import(slow: str) -> None:
    """An error of what is done meanwhile comes out, and no thread is left."""
    GO.set()
    with pytest.raises(KeyError), importing(slow):
        raise KeyError("meanwhile")
    assert not any(thread.name == f"import {slow}" for thread in threading.enumerate())
    assert is_imported(slow)
