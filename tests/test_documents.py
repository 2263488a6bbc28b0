"""The documents at the top say what is so: their links lead somewhere, and the executed techniques are those named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from advisor.cli import COMMANDS
from advisor.knowledge import load_knowledge

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link and picture of a document exists."""
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert target.startswith("http") or (document.parent / target).exists(), target


def test_the_readme_names_what_is_executed() -> None:
    """The README's list of what runs here names each technique that does, and no other."""
    section = (ROOT / "README.md").read_text().split("## What runs here")[1].split("\n## ")[0]
    listed = set(re.findall(r"`([a-z0-9-]+)`", section))
    assert listed == {technique.id for technique in load_knowledge().techniques if technique.is_executable}


def test_the_readme_names_every_command() -> None:
    """No command is left out of the README."""
    text = (ROOT / "README.md").read_text()
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", text), command
