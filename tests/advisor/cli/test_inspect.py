"""`advisor inspect`: the contract's JSON, the text, exit codes and the progress bar."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.cli import run_command
from advisor.cli.inspect import progress_bar
from advisor.domain.errors import AdvisorError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three good rows and one torn one."""
    path = tmp_path / "d\x1b.jsonl"
    path.write_text('{"prompt": "a", "completion": "b"}\n' * 3 + "{torn\n")
    return path


def test_the_json_has_the_shape_of_the_contract(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shape, kind, rows, bad rows with line and reason, token lengths; the same bytes each time."""
    assert run_command(["inspect", str(data), "--json"]) == 0
    first = capsys.readouterr().out
    found = json.loads(first)
    assert (found["schema"], found["shape"], found["kind"], found["rows"]) == (
        1,
        "prompt-completion",
        "instructions",
        3,
    )
    assert [(row["line"], "not JSON" in row["reason"]) for row in found["bad_rows"]] == [(4, True)]
    assert set(found["tokens"]) == {"p50", "p95", "max"}
    run_command(["inspect", str(data), "--json"])
    assert capsys.readouterr().out == first


def test_the_text_names_bad_rows_by_file_and_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`file:line: reason`, with control characters in the name escaped."""
    assert run_command(["inspect", str(data)]) == 0
    text = capsys.readouterr().out
    assert "d\\x1b.jsonl:4: not JSON" in text
    assert "\x1b" not in text


def test_bad_rows_can_be_made_to_fail(data: Path) -> None:
    """`--bad-rows fail` ends with exit 2 after the report."""
    assert run_command(["inspect", str(data), "--bad-rows", "fail"]) == 2


def test_a_local_model_counts_the_tokens(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], make_words: Callable[[Path], None]
) -> None:
    """With `--model FOLDER` lengths are exact; a model that is not here is an error and nothing is fetched."""
    make_words(tmp_path)
    assert run_command(["inspect", str(data), "--json", "--model", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["tokens_exact"], found["tokens"]["max"]) == (True, 2)
    with pytest.raises(AdvisorError, match="not a folder"):
        run_command(["inspect", str(data), "--model", "org/name"])


@pytest.fixture
def make_words() -> Callable[[Path], None]:
    """Writes a tokenizer of words into a folder."""
    tokenizers = pytest.importorskip("tokenizers")

    def make(folder: Path) -> None:
        words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
        words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        words.save(str(folder / "tokenizer.json"))

    return make


def test_the_bar_is_drawn_on_stderr_and_cleared(capsys: pytest.CaptureFixture[str]) -> None:
    """One line that grows and is gone at the end; stdout stays data."""
    draw = progress_bar()
    draw(2**19, 2**20)
    draw(2**20, 2**20)
    out, err = capsys.readouterr()
    assert out == ""
    assert "###" in err and " 50%" in err and err.endswith("\r")
