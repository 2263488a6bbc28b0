"""Which files a data path stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.probe.data_sources import find_sources

ROW = '{"prompt": "a", "completion": "b"}\n'


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    """A folder of data cannot bring in a file beside it; links that stay inside are read."""
    (folder := tmp_path / "data").mkdir()
    (folder / "a.jsonl").write_text(ROW)
    (folder / "b.jsonl").symlink_to("a.jsonl")
    assert len(find_sources(folder).train) == 2
    (tmp_path / "secret.jsonl").write_text(ROW)
    (folder / "c.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(AdvisorError, match="leads out") as caught:
        find_sources(folder)
    assert caught.value.code is ExitCode.REFUSED


def test_snapshot_of_a_hub_cache_is_read(tmp_path: Path) -> None:
    """The files of a snapshot are links into the blobs of the same repository."""
    (snapshot := tmp_path / "datasets--a--b" / "snapshots" / "0123").mkdir(parents=True)
    (blobs := tmp_path / "datasets--a--b" / "blobs").mkdir()
    (blobs / "ffff").write_text(ROW)
    (snapshot / "train.jsonl").symlink_to("../../blobs/ffff")
    assert [file.name for file in find_sources(snapshot).train] == ["train.jsonl"]
