"""Tests of executors.export.llama_cpp_choices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from executors.export.llama_cpp_choices import agreement, choices


def test_agreement_counts_positions() -> None:
    """Three of four positions agree, over prompts of different length."""
    assert agreement([[1, 2, 3], [4]], [[1, 2, 9], [4]]) == 0.75


def test_a_file_it_cannot_read_is_told_and_not_raised(tmp_path: Path) -> None:
    """Whether the package is missing or the file is bad, the answer is a sentence."""
    file = tmp_path / "bad.gguf"
    file.write_bytes(b"GGUF nothing")
    found = choices(file, [[1, 2]])
    assert isinstance(found, str)
    assert found


def test_llama_cpp_reads_the_file_as_transformers_does(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """On an F16 file llama.cpp chooses the same next token nearly everywhere."""
    pytest.importorskip("llama_cpp")
    from executors.quantize.to_gguf import to_gguf
    from executors.tensors.folder import open_model

    to_gguf(open_model(tiny_model), tmp_path, "F16", listener)
    assert listener.metrics["llama_cpp_top1"] > 0.85
    assert listener.diagnostics == []
