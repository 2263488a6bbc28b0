"""Small data sets, and a model behind an endpoint of this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from executors.protocol import Input, Inputs


@pytest.fixture
def rows_file(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Writes records as a data set with a held-out side; gives its description."""

    def write(train: list[Any], held_out: list[Any] | None = None, kind: str = "instructions") -> dict[str, Any]:
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        for name, rows in (("train", train), ("test", held_out or [{"prompt": "Held?", "completion": "Out."}])):
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return {"path": str(folder), "kind": kind}

    return write


@pytest.fixture
def inputs(tiny_model: Path, tmp_path: Path) -> Inputs:
    (tmp_path / "scratch").mkdir()
    model = Input(kind="causal-lm", path=str(tiny_model))
    return Inputs(roles={"model": model}, seed=1, threads=1, scratch=str(tmp_path / "scratch"))


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Any]]]:
    """A server that answers chat completions by a function of the prompt; gives the requests it got."""
    heard: list[Any] = []
    answer: list[Callable[[str], str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.append({"path": self.path, "key": self.headers.get("Authorization"), **body})
            text = answer[0](body["messages"][-1]["content"])
            data = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def serve(by: Callable[[str], str]) -> list[Any]:
        answer[:] = [by]
        monkeypatch.setenv("ADVISOR_TEACHER_URL", f"http://127.0.0.1:{server.server_port}/v1")
        monkeypatch.setenv("ADVISOR_TEACHER_MODEL", "parrot")
        monkeypatch.setenv("ADVISOR_TEACHER_KEY", "sk-planted-teacher-key")
        return heard

    yield serve
    server.shutdown()
    server.server_close()
