"""The documents at the top say what is so: their links lead somewhere, and the executed techniques are those named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from advisor.cli import COMMANDS
from advisor.knowledge import load_knowledge
from advisor.runs.advise import advise_file, plan_of

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


def test_the_answers_about_several_machines_are_planned(tmp_path: Path) -> None:
    """The answers that the documents give for two machines are planned so, and nothing of them is left out."""
    section = (ROOT / "docs/knowledge-training.md").read_text().split("## Several machines")[1]
    answers = tmp_path / "answers.yaml"
    answers.write_text(section.split("```yaml\n")[1].split("```")[0])
    advice = advise_file(str(answers))
    (step,) = plan_of(advice).steps
    assert (step.technique, step.config["machines"], step.config["rendezvous"]) == ("lora", 2, "node1:29500")
    lost = ("asked-for-not-possible", "answer-not-read")
    assert not [warning.text for warning in advice.recommendation.warnings if warning.code in lost]
