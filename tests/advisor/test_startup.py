"""Start-up skips what finds nothing, and changes nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = """
import sys
from advisor.startup import PLUGIN_LOADER, prepare
prepare()
from advisor.domain.answers import Answers
Answers.model_validate({"goal": "optimize"})
print("importlib.metadata" in sys.modules)
import importlib
print(callable(getattr(importlib.import_module(PLUGIN_LOADER), "get_plugins")))
from pydantic.plugin._loader import PYDANTIC_ENTRY_POINT_GROUP
print(PYDANTIC_ENTRY_POINT_GROUP)
"""
LOADED = """
import sys
sys.argv = ["advisor", "--non-interactive", "-", "--format", "json"]
from advisor.__main__ import main
code = main()
print(code, sorted({"torch", "textual", "rich", "transformers", "platformdirs"} & set(sys.modules)), file=sys.stderr)
"""


def run(code: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], input=stdin, capture_output=True, text=True, check=True)


def test_no_plugin_is_looked_for_and_the_real_loader_is_there_when_asked() -> None:
    """Validators are built without the readers of distributions; any other name comes from pydantic's own module."""
    assert run(PROBE).stdout.split() == ["False", "True", "pydantic"]


def test_advice_loads_neither_torch_nor_the_app() -> None:
    """`advisor --non-interactive` imports no torch, no textual, no rich."""
    done = run(LOADED, "goal: optimize\nmodel: {params_b: 7}\nhardware: {gpus: [{name: A100, memory_gib: 80}]}\n")
    assert done.stderr.strip() == "0 []"


@pytest.mark.parametrize("word", ["--version", "--help"])
def test_help_and_version_load_no_types(word: str) -> None:
    """What needs no knowledge and no answers loads no validators."""
    code = f"import sys; sys.argv = ['advisor', '{word}']\nfrom advisor.__main__ import main\nmain()\n"
    shown = run(code + "print('pydantic' in sys.modules, file=sys.stderr)")
    assert "advisor" in shown.stdout
    assert shown.stderr.strip() == "False"
