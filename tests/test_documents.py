"""The documents at the top say what is so: their links lead somewhere, and the executed techniques are those named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from advisor.cli import COMMANDS
from advisor.knowledge import load_knowledge

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
NAMES = {
    "lora": "LoRA",
    "qlora": "QLoRA",
    "dora": "DoRA",
    "full-sft": "full fine-tuning",
    "gguf": "GGUF",
    "gptq": "GPTQ",
    "adapter-merge": "folding an adapter",
    "linear-merge": "linear",
    "slerp-merge": "SLERP",
    "ties-merge": "TIES",
    "dare-merge": "DARE",
    "wanda": "Wanda",
    "sparsegpt": "SparseGPT",
    "magnitude-pruning": "magnitude",
    "bnb-int8": "8-bit",
    "bnb-nf4": "NF4",
    "int8-w8a8": "INT8 W8A8",
    "fp8": "FP8",
}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link and picture of a document exists."""
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert target.startswith("http") or (document.parent / target).exists(), target


def test_the_readme_names_what_is_executed() -> None:
    """Each technique that runs here is named in the README's list, and the test knows its name."""
    listed = (ROOT / "README.md").read_text().split("## What runs here")[1].split("##")[0]
    listed = " ".join(listed.split())
    for technique in load_knowledge().techniques:
        if technique.is_executable:
            assert NAMES[technique.id] in listed, technique.id


def test_the_readme_names_every_command() -> None:
    """No command is left out of the README."""
    text = (ROOT / "README.md").read_text()
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", text), command
