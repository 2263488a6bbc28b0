"""A small but complete set of knowledge files, and a cache folder of its own for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

FILES = {
    "sources.yaml": 'sources:\n  - {id: "000", title: A matrix, kind: source}\n',
    "vocabulary.yaml": "vocabulary:\n  goals: {optimize: Smaller}\n",
    "questions.yaml": """\
root: goal
questions:
  - id: goal
    key: goal
    text: What for?
    meaning: The goal.
    why: It decides.
    choices:
      - {value: optimize, label: Smaller, meaning: Less memory., techniques: [gptq], sources: [000 matrix]}
""",
    "interactions.yaml": """\
profiles:
  - id: default
    families: [prune, quantize]
    golden_order: [prune, quantize]
    interactions:
      - {id: prune-quantize, first: prune, then: quantize, verdict: ok, because: Less to round., sources: [000 matrix]}
    defaults:
      - first: [quantize]
        then: [prune]
        verdict: bad
        because: Too late.
        fix: Turn it round.
        evidence: [{text: It says so., kind: source, strength: claim, source: 000 matrix}]
        sources: [000 matrix]
""",
    "orders.yaml": "orders:\n  - {id: golden, families: [prune, quantize], text: This way., sources: [000 matrix]}\n",
    "disagreements.yaml": "disagreements: []\n",
    "rules.yaml": "rules: []\n",
    "practices.yaml": "practices: []\n",
    "catalog/gpus.yaml": "gpus: []\n",
    "catalog/models.yaml": "models: []\n",
    "techniques/gptq.yaml": "id: gptq\nname: GPTQ\nfamily: quantize\nsummary: Rounds.\nwhy_not: Not here.\n",
}


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder, empty."""
    home = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home


@pytest.fixture
def trees(tmp_path: Path) -> Callable[..., Path]:
    """Write the small knowledge, with files replaced by name (a path's `/` as `__`, no ending), and give its folder."""

    def write(**replaced: str) -> Path:
        root = tmp_path / "trees"
        changed = {name.replace("__", "/") + ".yaml": text for name, text in replaced.items()}
        for name, text in {**FILES, **changed}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return root

    return write
