"""Who is asked, and who reads along."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from executors.models.endpoint import JUDGE, TEACHER, Endpoint, named_endpoint
from executors.models.web import is_here, is_private, opener


class Listening(ThreadingHTTPServer):
    """A server that sends everybody on to another address, and keeps who asked with which key."""

    def __init__(self, to: str = "") -> None:
        self.to, self.keys = to, list[str]()
        super().__init__(("127.0.0.1", 0), _Sending)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Sending(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.keys.append(self.headers.get("Authorization", ""))
        self.send_response(302 if self.server.to else 200)
        if self.server.to:
            self.send_header("Location", self.server.to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *told: Any) -> None: ...


@pytest.fixture
def other() -> Iterator[Listening]:
    yield from _served(Listening())


@pytest.fixture
def sending(other: Listening) -> Iterator[Listening]:
    yield from _served(Listening(other.url))


def _served(server: Listening) -> Iterator[Listening]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_key_does_not_follow_a_redirect(sending: Listening, other: Listening) -> None:
    """The server that was named gets the key; the address it points to is not asked, and the answer is an error."""
    with pytest.raises(AdvisorError, match="gave no answer"):
        Endpoint(sending.url, "model", "secret").ask("hello", 4)
    assert (sending.keys, other.keys) == (["Bearer secret"], [])


def test_this_machine_is_asked_past_a_proxy(
    sending: Listening, other: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in the environment hears nothing of what is meant for this machine."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", other.url)
    with pytest.raises(urllib.error.HTTPError):
        opener(sending.url).open(urllib.request.Request(sending.url), timeout=10)
    assert (len(sending.keys), other.keys) == (1, [])


@pytest.mark.parametrize(
    ("url", "here", "private"),
    [
        ("http://localhost:1", True, True),
        ("http://127.8.9.1", True, True),
        ("http://[::1]:80", True, True),
        ("http://example.org", False, False),
        ("https://example.org", False, True),
        ("http://localhost.example.org", False, False),
    ],
)
def test_what_is_private(url: str, here: bool, private: bool) -> None:
    """This machine's own addresses and https are private; http elsewhere is not, whatever the name looks like."""
    assert (is_here(url), is_private(url)) == (here, private)


@pytest.mark.parametrize("by", [TEACHER, JUDGE])
@pytest.mark.parametrize(
    ("url", "model", "told"),
    [
        ("http://example.org/v1", "m", "over https"),
        ("http://localhost.example.org/v1", "m", "over https"),
        ("file://localhost/v1", "m", "over https"),
        ("https://example.org/v1", "", "_MODEL is not"),
        ("", "m", "_URL is not"),
    ],
)
def test_an_endpoint_that_is_not_usable_is_named(
    by: str, url: str, model: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a name and an address where data would go in clear are refused with the name of the variable."""
    monkeypatch.setenv(f"{by}_URL", url)
    monkeypatch.setenv(f"{by}_MODEL", model)
    with pytest.raises(AdvisorError, match=by) as raised:
        named_endpoint(by)
    assert told in raised.value.message()


def test_teacher_and_judge_are_named_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has variables of its own, and without them there is none."""
    for by in (TEACHER, JUDGE):
        for part in ("URL", "MODEL", "KEY"):
            monkeypatch.delenv(f"{by}_{part}", raising=False)
    monkeypatch.setenv("ADVISOR_JUDGE_URL", "https://example.org/v1")
    monkeypatch.setenv("ADVISOR_JUDGE_MODEL", "m")
    monkeypatch.setenv("ADVISOR_JUDGE_KEY", "secret")
    assert named_endpoint() is None
    assert named_endpoint(JUDGE) == Endpoint("https://example.org/v1", "m", "secret", JUDGE)


def test_a_line_end_is_no_part_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key read from a file of another system ends in one; as a header it would be refused, and told in the reason."""
    for name, value in (("URL", "https://example.org/v1"), ("MODEL", "m"), ("KEY", "secret\r")):
        monkeypatch.setenv(f"ADVISOR_TEACHER_{name}", value)
    assert named_endpoint() == Endpoint("https://example.org/v1", "m", "secret")
