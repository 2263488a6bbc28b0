"""Tests of writing files whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.files.writing import write_whole


def test_a_link_goes_on_leading_to_its_file(tmp_path: Path) -> None:
    """What a link leads to is written; the link stays."""
    link = tmp_path / "link"
    link.symlink_to("target")
    write_whole("text", str(link))
    assert link.is_symlink()
    assert (tmp_path / "target").read_text() == "text"


def test_a_pipe_is_written_into_and_not_replaced(tmp_path: Path) -> None:
    """Something that is no file keeps its kind."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole("text", str(pipe))
    assert os.read(reader, 100) == b"text"
    assert pipe.is_fifo()
    os.close(reader)


def test_a_name_that_is_empty_is_bad_input() -> None:
    """It is said, with exit code 2."""
    with pytest.raises(AdvisorError) as caught:
        write_whole("text", "")
    assert caught.value.code is ExitCode.BAD_INPUT
