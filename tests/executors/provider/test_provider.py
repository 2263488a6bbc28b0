"""Training at a provider, against a server of this machine that speaks its protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from advisor.domain.errors import AdvisorError, ExitCode
from executors import provider
from executors.protocol import Input, Inputs, Machine, Stopped
from executors.provider import Config

KEY = "sk-planted-provider-key-0123456789"


class Provider:
    """Files, jobs and events of a fine-tuning service; a job ends after `polls` looks at it."""

    def __init__(self) -> None:
        self.files: list[bytes] = []
        self.jobs: dict[str, dict[str, Any]] = {}
        self.keys: set[str] = set()
        self.polls, self.looks, self.ends_as, self.refuses = 2, 0, "succeeded", False

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if self.refuses:
            return 401, {"error": {"message": f"the key {KEY} is not valid", "type": "auth"}}
        if path == "/v1/files":
            self.files.append(body)
            name = f"file-{len(self.files)}"
            return 200, {"id": name, "object": "file", "bytes": len(body), "created_at": 0, "filename": "x",
                         "purpose": "fine-tune", "status": "processed"}  # fmt: skip
        if path == "/v1/fine_tuning/jobs" and method == "POST":
            asked = json.loads(body)
            job = {"id": f"ftjob-{len(self.jobs) + 1}", "object": "fine_tuning.job", "status": "running", **asked}
            self.jobs[job["id"]] = job
            return 200, job
        if path.endswith("/events"):
            data = {"step": 1, "total_steps": 4, "train_loss": 1.5, "valid_loss": 1.25}
            event = {"id": "ev-1", "object": "fine_tuning.job.event", "created_at": 0, "level": "info",
                     "message": "Step 1", "data": data, "type": "metrics"}  # fmt: skip
            return 200, {"object": "list", "data": [event], "has_more": False}
        if path == "/v1/fine_tuning/jobs":
            return 200, {"object": "list", "data": list(self.jobs.values()), "has_more": False}
        job = self.jobs[path.rpartition("/")[2]]
        self.looks += 1
        if self.looks >= self.polls:
            job |= {"status": self.ends_as, "fine_tuned_model": "ft:gpt-4o-mini:me", "trained_tokens": 123}
            job["error"] = {"message": "it did not converge", "code": "x", "param": None}
        return 200, job


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Provider, str]]:
    """The service and its address."""
    made = Provider()

    class Handler(BaseHTTPRequestHandler):
        def _do(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.keys.add(self.headers.get("Authorization", ""))
            status, value = made.answer(method, self.path.partition("?")[0], body)
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._do("GET")

        def do_POST(self) -> None:
            self._do("POST")

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    yield made, f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def config(address: str | None = None, **more: Any) -> Config:
    data = {"path": "builtin:stdlib", "kind": "tool-calls", "max_examples": 20}
    given = {
        "provider": "openai",
        "data": data,
        "base_url": address,
        "poll_seconds": 0.05,
        "usd_per_million_tokens": 3.0,
    }
    return Config.model_validate({**given, **more})


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "out").mkdir()
    model = Input(kind="causal-lm", path="gpt-4o-mini")
    return Inputs(roles={"model": model}, seed=3, scratch=str(tmp_path / "scratch"))


@pytest.mark.parametrize("name", ["openai", "together"])
def test_a_job_is_uploaded_started_and_followed(
    name: str, service: Any, inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Data goes up in the provider's form, the job is followed to its end, and its model's name is kept."""
    made, address = service
    provider.run(config(address, provider=name), inputs, tmp_path / "out", listener)
    assert len(made.files) == 2 and len(made.jobs) == 1
    (job,) = made.jobs.values()
    assert (job["model"], job["training_file"], job["seed"]) == ("gpt-4o-mini", "file-1", 3)
    lines = made.files[0].split(b"\n")
    line = json.loads(next(part for part in lines if part.startswith(b'{"messages"') and b"tool_calls" in part))
    call = line["messages"][-1]["tool_calls"][0]
    assert call["id"] == "call_1" and isinstance(call["function"]["arguments"], str)
    assert line["tools"][0]["type"] == "function"
    result = json.loads((tmp_path / "out" / "remote-model.json").read_text())
    assert result["model"] == "ft:gpt-4o-mini:me" and result["trained_tokens"] == 123
    assert listener.metrics["loss"] == 1.5 and listener.metrics["held_out_loss"] == 1.25
    tokens, cost = listener.metrics["billed_tokens"], listener.metrics["estimated_cost"]
    assert cost == pytest.approx(tokens / 1e6 * 3.0) and tokens > 1000


def test_a_stop_leaves_the_job_and_resume_follows_it(
    service: Any, inputs: Inputs, tmp_path: Path, stopping_listener: Any, listener: Any
) -> None:
    """Stopped while it follows, a step run again starts nothing new."""
    made, address = service
    made.polls = 4
    with pytest.raises(Stopped, match="goes on at the provider"):
        provider.run(config(address, poll_seconds=1), inputs, tmp_path / "out", stopping_listener)
    provider.run(config(address), inputs, tmp_path / "out", listener)
    assert len(made.jobs) == 1 and len(made.files) == 2


def test_a_job_begun_just_before_a_crash_is_found(service: Any, inputs: Inputs, tmp_path: Path, listener: Any) -> None:
    """Without the note of its id a job is found again by its mark; another training's job is not taken for it."""
    made, address = service
    provider.run(config(address), inputs, tmp_path / "out", listener)
    (Path(inputs.scratch) / "job.json").unlink()
    provider.run(config(address), inputs, tmp_path / "out", listener)
    assert len(made.jobs) == 1
    (Path(inputs.scratch) / "job.json").unlink()
    provider.run(config(address, epochs=4), inputs, tmp_path / "out", listener)
    assert len(made.jobs) == 2


def test_the_key_is_written_nowhere(service: Any, inputs: Inputs, tmp_path: Path, listener: Any) -> None:
    """The key travels in the header and stands in no file, line or error, even if the server repeats it."""
    made, address = service
    provider.run(config(address), inputs, tmp_path / "out", listener)
    assert made.keys == {f"Bearer {KEY}"}
    made.refuses = True
    (Path(inputs.scratch) / "job.json").unlink()
    with pytest.raises(AdvisorError, match="refused") as caught:
        provider.run(config(address), inputs, tmp_path / "out", listener)
    assert KEY not in caught.value.message() and "***" in caught.value.why
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and KEY.encode() in p.read_bytes()]
    assert not any(KEY in line for line in listener.lines)


def test_a_failed_job_says_why(service: Any, inputs: Inputs, tmp_path: Path, listener: Any) -> None:
    """The provider's reason is the step's."""
    made, address = service
    made.ends_as = "failed"
    with pytest.raises(AdvisorError, match="ended as failed") as caught:
        provider.run(config(address), inputs, tmp_path / "out", listener)
    assert caught.value.why == "it did not converge"


def test_too_dear_is_not_uploaded(service: Any, inputs: Inputs, tmp_path: Path, listener: Any) -> None:
    """Above the most that may be spent nothing leaves the machine."""
    made, address = service
    with pytest.raises(AdvisorError, match="nothing was uploaded") as caught:
        provider.run(config(address, most_usd=0.001), inputs, tmp_path / "out", listener)
    assert caught.value.code == ExitCode.REFUSED and not made.files


def test_claude_gets_data_and_instructions(inputs: Inputs, tmp_path: Path, listener: Any) -> None:
    """For Claude the prepared data is left with what to do with it, no server is asked, and it says that nothing was
    trained."""
    provider.run(config(provider="claude"), inputs, tmp_path / "out", listener)
    assert len((tmp_path / "out" / "train.jsonl").read_text().splitlines()) == 20
    assert "arranged with Anthropic" in (tmp_path / "out" / "INSTRUCTIONS.md").read_text()
    assert any(code == "not-trained" for _, code, *_ in listener.diagnostics)


def test_preflight_asks_for_key_and_rows(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key, with too few rows or with data of another kind nothing starts; plain http leads nowhere."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert [d.code for d in provider.preflight(config(), inputs, Machine())] == ["key"]
    few = {"path": "builtin:stdlib", "kind": "tool-calls", "max_examples": 4}
    assert [d.code for d in provider.preflight(config(data=few, provider="claude"), inputs, Machine())] == ["data"]
    texts = {"path": "builtin:stdlib", "kind": "text"}
    assert "conversations" in provider.preflight(config(data=texts), inputs, Machine())[0].text
    with pytest.raises(ValidationError, match="https"):
        config("http://example.com/v1")
