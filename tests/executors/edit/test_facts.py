"""The facts file: every fault with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError
from executors.edit.facts import read_facts

GOOD = '{"subject": "Paris", "prompt": "{} lies in", "target_new": "Spain"}'


def test_facts_are_read(tmp_path: Path) -> None:
    """Empty lines are passed over, a mark at the start of the file too."""
    file = tmp_path / "facts.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + b"\n\n")
    (fact,) = read_facts(str(file))
    assert fact.asked == "Paris lies in"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([GOOD, "{"], ":2: is not JSON"),
        (["[]"], ":1: is no object"),
        (['{"subject": "x", "prompt": "no place", "target_new": "y"}'], ":1: prompt must hold {} once"),
        (['{"subject": "x", "prompt": "{} {}", "target_new": "y"}'], ":1: prompt must hold {} once"),
        (['{"subject": "", "prompt": "{} is", "target_new": "y"}'], ":1: subject"),
        (['{"subject": "x", "prompt": "{} is"}'], ":1: target_new"),
        (['{"subject": "x", "prompt": "{} is", "target_new": "y", "extra": 1}'], ":1: extra"),
        (['{"subject": "x", "prompt": "{} is", "target_new": " "}'], ":1: a text is empty"),
        (['{"subject": "x", "prompt": "{} is", "target_new": "y", "locality": "z"}'], ":1: locality"),
        ([GOOD, GOOD], ":2: asks the same as line 1"),
        (["[" * 100_000], ":1: is not JSON"),
        ([], "holds 0 facts"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, lines: list[str], said: str) -> None:
    """File, line and reason; of many the first five and the count."""
    file = tmp_path / "facts.jsonl"
    file.write_text("\n".join(lines))
    with pytest.raises(AdvisorError) as raised:
        read_facts(str(file))
    assert said in f"{raised.value.what} {raised.value.why}"


def test_other_faults(tmp_path: Path) -> None:
    """A missing file, another encoding, and many bad lines."""
    with pytest.raises(AdvisorError, match="no facts file"):
        read_facts(str(tmp_path / "none"))
    (tmp_path / "b").write_bytes(GOOD.encode() + b"\n\xff\xfe")
    with pytest.raises(AdvisorError, match=":2: not UTF-8"):
        read_facts(str(tmp_path / "b"))
    (tmp_path / "c").write_text("x\n" * 9)
    with pytest.raises(AdvisorError, match="9 of 9") as raised:
        read_facts(str(tmp_path / "c"))
    assert "and 4 more" in raised.value.why
