"""Files a person may edit are read with the line of every key, and hostile ones are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.files.located import MAX_BYTES, read_located


def write(folder: Path, name: str, text: str | bytes) -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "goal: optimize\nmodel:\n  id: x\n"),
        ("a.json", '{"goal": "optimize",\n "model": {\n  "id": "x"}}'),
        ("a.toml", 'goal = "optimize"\n[model]\nid = "x"\n'),
    ],
)
def test_each_format_gives_values_and_lines(tmp_path: Path, name: str, text: str) -> None:
    """YAML, JSON and TOML give the same values, and the line of a nested key."""
    located = read_located(write(tmp_path, name, text))
    assert located.values == {"goal": "optimize", "model": {"id": "x"}}
    assert located.place(("model", "id")).endswith(f"{name}:3")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.yaml", "goal: optimize\n  bad: [1,\n", ":2"),
        ("a.yaml", "goal: a\ngoal: b\n", ":2"),
        ("a.json", '{"goal": "a",\n"model" 3}', ":2"),
        ("a.json", '{"goal": 1, "goal": 2}', "twice"),
        ("a.toml", "goal = \n", "TOML"),
        ("a.yaml", b"goal: optimize\nmodel: \xff\n", ":2: not UTF-8"),
        ("a.yaml", "- 1\n- 2\n", "list"),
        ("a.yaml", "x: !!python/object/apply:os.system ['true']\n", "YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, name: str, text: str | bytes, line: str) -> None:
    """A file that cannot be read ends in one sentence that says where."""
    with pytest.raises(AdvisorError) as caught:
        read_located(write(tmp_path, name, text))
    assert line in caught.value.message()
    assert caught.value.code == ExitCode.BAD_INPUT


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    """A file whose aliases multiply into millions of values is refused before they are built."""
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9))
    with pytest.raises(AdvisorError) as caught:
        read_located(write(tmp_path, "bomb.yaml", f"l0: &l0 [1]\n{levels}\n"))
    assert caught.value.code == ExitCode.REFUSED


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    """More than 1 MiB is not a file that a person wrote."""
    with pytest.raises(AdvisorError, match="1 MiB"):
        read_located(write(tmp_path, "huge.yaml", "a: " + "x" * MAX_BYTES))


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    """Each is named for what it is."""
    with pytest.raises(AdvisorError, match="no such file"):
        read_located(str(tmp_path / "none.yaml"))
    with pytest.raises(AdvisorError, match="is a folder"):
        read_located(str(tmp_path))
