"""What `load_knowledge` promises: typed knowledge, the same from the cache, quickly, with errors that help."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.words import Verdict
from advisor.knowledge import load_knowledge

Trees = Callable[..., Path]


def test_typed(trees: Trees) -> None:
    """The files become domain values."""
    knowledge = load_knowledge(trees())
    assert knowledge.technique("gptq").name == "GPTQ"
    assert knowledge.tree.question("goal").choices[0].techniques == ("gptq",)
    verdicts = {(i.first, i.then): i.verdict for i in knowledge.profile("default").interactions}
    assert verdicts == {("prune", "quantize"): Verdict.OK, ("quantize", "prune"): Verdict.BAD}


def test_cached_equal(trees: Trees) -> None:
    """From the cache comes what came from the files."""
    root = trees()
    assert load_knowledge(root) == load_knowledge(root)


def test_bundled_equal() -> None:
    """The knowledge that ships is the same from the cache as from its files."""
    assert load_knowledge() == load_knowledge()


def test_change_is_seen(trees: Trees) -> None:
    """A changed file is read again."""
    root = trees()
    load_knowledge(root)
    path = root / "techniques" / "gptq.yaml"
    path.write_text(path.read_text().replace("name: GPTQ", "name: Another name"))
    assert load_knowledge(root).technique("gptq").name == "Another name"


def test_digest_follows_content(trees: Trees, tmp_path: Path) -> None:
    """The digest tells contents apart and does not depend on times."""
    root = trees()
    before = load_knowledge(root).digest
    os.utime(root / "rules.yaml", ns=(1, 1))
    assert load_knowledge(root).digest == before
    (root / "sources.yaml").write_text('sources:\n  - {id: "000", title: Another, kind: source}\n')
    assert load_knowledge(root).digest != before


def test_warm_start_reads_no_yaml() -> None:
    """A warm start imports neither yaml nor platformdirs, and opens no knowledge file."""
    load_knowledge()
    code = (
        "import sys\n"
        "from advisor.knowledge import load_knowledge\n"
        "load_knowledge()\n"
        "heavy = ('yaml', 'platformdirs', 'torch', 'textual', 'advisor.knowledge.assemble')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = "[]" if sys.platform == "linux" else "['platformdirs']"
    assert shown.stdout.strip() == expected


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("techniques__gptq", "id: gptq\nname: G\nfamly: quantize\nsummary: s\n", ("gptq.yaml:3", "famly", "family")),
        (
            "techniques__gptq",
            "id: gptq\nname: G\nfamily: quantise\nsummary: s\n",
            ("gptq.yaml:3", "quantise", "quantize"),
        ),
        ("techniques__gptq", "id: gptq\nid: gptq\n", ("gptq.yaml:2", "twice")),
        ("techniques__gptq", "id: awq\nname: A\nfamily: quantize\nsummary: s\n", ("gptq.yaml", "awq")),
        ("questions", "root: [", ("questions.yaml:2",)),
        ("sources", "sources: 7\n", ("sources.yaml:1", "sources")),
        (
            "sources",
            'sources: [{id: "0", title: a, kind: b}, {id: "0", title: c, kind: b}]\n',
            ("source", "'0'", "twice"),
        ),
        ("rules", "ruls: []\n", ("rules.yaml:1", "ruls", "rules")),
    ],
)
def test_errors_name_the_place(trees: Trees, name: str, text: str, parts: tuple[str, ...]) -> None:
    """A wrong file is an error that names file, line, entry and the nearest valid key."""
    with pytest.raises(AdvisorError) as caught:
        load_knowledge(trees(**{name: text}))
    for part in parts:
        assert part in caught.value.message()


@pytest.mark.parametrize("name", ["questions.yaml", "rules.yaml", "practices.yaml", "catalog/gpus.yaml"])
def test_missing_file(trees: Trees, name: str) -> None:
    """A missing file is an error that names it."""
    root = trees()
    (root / name).unlink()
    with pytest.raises(AdvisorError, match=name):
        load_knowledge(root)


def test_no_folder(tmp_path: Path) -> None:
    """A folder that is not there is an error, not a traceback."""
    with pytest.raises(AdvisorError, match="nowhere"):
        load_knowledge(tmp_path / "nowhere")


def test_no_techniques(trees: Trees) -> None:
    """Knowledge without a single technique is an error."""
    root = trees()
    (root / "techniques" / "gptq.yaml").unlink()
    with pytest.raises(AdvisorError, match="technique"):
        load_knowledge(root)
