"""Prompt files: written with a hash, read with bounds, every fault named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from executors.prompt.file import FILE, Example, PromptFile, read_prompt, write_prompt


def test_a_prompt_is_read_as_it_was_written(tmp_path: Path) -> None:
    """From its folder and from its file; the hash is that of the contents."""
    prompt = PromptFile(system="Be brief.", examples=(Example(question="a?", answer="b"),), shown=1)
    write_prompt(prompt, tmp_path)
    for place in (tmp_path, tmp_path / FILE):
        found = read_prompt(place)
        assert found.sha256 == prompt.digest == found.digest
        assert found.model_copy(update={"sha256": ""}) == prompt


def test_yaml_by_hand(tmp_path: Path) -> None:
    """YAML without a hash is taken as it is."""
    (tmp_path / "mine.yaml").write_text(
        "strategy: system-prompt\nsystem: Answer in French.\nquestion: 'Q: {question}'\n"
    )
    assert read_prompt(tmp_path / "mine.yaml").system == "Answer in French."


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    """A file that no longer fits its hash ends with exit code 8 and says how to take it all the same."""
    write_prompt(PromptFile(system="a"), tmp_path)
    text = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(text.replace('"system": "a"', '"system": "b"'))
    with pytest.raises(AdvisorError) as raised:
        read_prompt(tmp_path)
    assert raised.value.code is ExitCode.REFUSED
    assert "sha256" in raised.value.hint


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.json", "", "not JSON"),
        ("p.json", "[1]", "no mapping"),
        ("p.json", "{" * 100_000, "not JSON"),
        ("p.json", '{"a":' * 50_000, "nested too deeply"),
        ("p.json", '{"schema": 2}', "schema"),
        ("p.json", '{"sytem": "x"}', "did you mean 'system'"),
        ("p.json", '{"question": "no place"}', "{question} exactly once"),
        ("p.json", '{"question": "{question} {question}"}', "exactly once"),
        ("p.json", '{"shown": 2, "examples": []}', "shown is 2"),
        ("p.json", '{"examples": [{"question": "a", "answer": ""}]}', "examples.0.answer"),
        ("p.json", '{"examples": [{"question": "a"}]}', "examples.0.answer"),
        ("p.json", '{"strategy": "magic"}', "strategy"),
        ("p.json", '{"tools": ["shell"]}', "tools.0"),
        ("p.json", '{"constraint": {}}', "one of json_schema, regex and choices"),
        ("p.json", '{"max_tokens": 0}', "max_tokens"),
        ("p.yaml", "a: [\n", "p.yaml:2"),
        ("p.yaml", "a: &x [1]\nb: *x\n", "p.yaml:2: aliases"),
        ("p.yaml", "- 1\n", "no mapping"),
        ("p.yaml", "!!python/object/apply:os.system ['true']\n", "p.yaml:1"),
    ],
)
def test_every_fault_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    """What is wrong with a file is said with its place or its key."""
    (tmp_path / name).write_text(text)
    with pytest.raises(AdvisorError) as raised:
        read_prompt(tmp_path / name)
    assert said in f"{raised.value.what} {raised.value.why}"


def test_other_encodings_and_missing_files(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, a missing file and a file that is too large are told, not traced."""
    (tmp_path / "p.json").write_bytes(b"\xff\xfe{")
    (tmp_path / "big.json").write_bytes(b" " * (5 * 2**20))
    for name, said in (("p.json", "UTF-8"), ("none.json", "no prompt file"), ("big.json", "larger")):
        with pytest.raises(AdvisorError, match=said):
            read_prompt(tmp_path / name)


def test_the_hash_covers_everything() -> None:
    """Any other field gives another hash."""
    plain = PromptFile()
    assert json.loads(plain.model_dump_json())["sha256"] == ""
    assert len({plain.digest, PromptFile(system="x").digest, PromptFile(max_tokens=65).digest}) == 3
