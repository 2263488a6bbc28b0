"""A pruning step that was interrupted goes on after its finished blocks and writes the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from advisor.domain.words import ArtifactKind
from executors import prune, shrink
from executors.protocol import Input, Inputs, Stopped

DATA = {"path": "builtin:stdlib", "kind": "text"}
TEXT = {"data": DATA, "sequences": 8, "seq_len": 32}
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "wanda": (prune, {"method": "wanda"}),
    "sparsegpt": (prune, {"method": "sparsegpt"}),
    "width": (shrink, {"method": "width", "neurons": 0.25, "heads": 0.5}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_killed_step_goes_on_after_its_finished_blocks(
    tmp_path: Path, make_model: Any, listener: Any, stopping_listener: Any, case: str
) -> None:
    """Stopped after the first of three blocks, the step does two more, and the files equal those of an unbroken one."""
    executor, settings = CASES[case]
    model = make_model(tmp_path / "model", num_hidden_layers=3)
    given = Input(kind=ArtifactKind.CAUSAL_LM, path=str(model))
    inputs = Inputs(roles={"model": given}, scratch=str(tmp_path / "scratch"))
    config = executor.Config(**TEXT, **settings)
    with pytest.raises(Stopped):
        executor.run(config, inputs, tmp_path / "torn", stopping_listener)
    executor.run(config, inputs, tmp_path / "resumed", listener)
    assert any("going on after 1 finished blocks" in line for line in listener.lines)
    executor.run(config, inputs.model_copy(update={"scratch": ""}), tmp_path / "unbroken", listener)
    for file in (tmp_path / "unbroken").iterdir():
        assert file.read_bytes() == (tmp_path / "resumed" / file.name).read_bytes()


def test_other_settings_begin_anew(tmp_path: Path, make_model: Any, listener: Any, stopping_listener: Any) -> None:
    """What was kept under another sparsity is not used."""
    model = make_model(tmp_path / "model", num_hidden_layers=3)
    given = Input(kind=ArtifactKind.CAUSAL_LM, path=str(model))
    inputs = Inputs(roles={"model": given}, scratch=str(tmp_path / "scratch"))
    with pytest.raises(Stopped):
        prune.run(prune.Config(**TEXT, sparsity=0.3), inputs, tmp_path / "torn", stopping_listener)
    prune.run(prune.Config(**TEXT, sparsity=0.5), inputs, tmp_path / "out", listener)
    assert listener.metrics["sparsity"] == pytest.approx(0.5, abs=0.01)
