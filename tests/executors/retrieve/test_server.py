"""Vectors at a server: a small one on this machine that speaks the used part of Qdrant's protocol."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy
import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from executors import retrieve
from executors.protocol import Input, Inputs, Machine, Stopped
from executors.retrieve import build as building
from executors.retrieve.server import KEY, Collection, Server

Make = Callable[..., Path]
_PATH = re.compile(r"/collections/([^/?]+)(/points/query|/points/count|/points)?(?:\?wait=true)?$")


class Qdrant(ThreadingHTTPServer):
    """Collections in memory: name -> (size, {id: (vector, payload)})."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.collections: dict[str, tuple[int, dict[int, tuple[Any, Any]]]] = {}
        self.key = ""
        self.keys_seen: list[str] = []
        self.moved = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Qdrant

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.keys_seen.append(self.headers.get("api-key", ""))
        if self.server.moved:
            return self._say(307, {}, self.server.moved)
        if self.server.key and self.headers.get("api-key") != self.server.key:
            return self._say(401, {"status": {"error": "no key"}})
        # Asked as a proxy, it is given the whole address.
        match = _PATH.search(self.path)
        assert match is not None, self.path
        name, what = match.group(1), match.group(2)
        body, known = json.loads(raw or b"{}"), self.server.collections.get(name)
        if what is None and self.command == "PUT":
            assert body["vectors"]["distance"] == "Cosine"
            self.server.collections[name] = (body["vectors"]["size"], {})
            return self._say(200, {"result": True})
        if known is None:
            return self._say(404, {"status": {"error": f"Not found: Collection `{name}` doesn't exist!"}})
        if what is None:
            return self._say(200, {"result": {"status": "green", "points_count": len(known[1])}})
        return self._points(known, what, body)

    def _points(self, known: tuple[int, dict[int, tuple[Any, Any]]], what: str, body: Any) -> None:
        size, points = known
        if what == "/points" and self.command == "POST":
            known_ids = [number for number in body["ids"] if number in points]
            return self._say(200, {"result": [{"id": n, "payload": points[n][1]} for n in known_ids]})
        if what == "/points":
            if any(len(point["vector"]) != size for point in body["points"]):
                return self._say(400, {"status": {"error": "Wrong input: Vector dimension error"}})
            points |= {p["id"]: (numpy.array(p["vector"]), p["payload"]) for p in body["points"]}
            return self._say(200, {"result": {"status": "completed"}})
        if what == "/points/count":
            assert body == {"exact": True}
            return self._say(200, {"result": {"count": len(points)}})
        allowed = body.get("filter", {}).get("must", [{"has_id": list(points)}])[0]["has_id"]
        scored = sorted(((float(points[n][0] @ numpy.array(body["query"])), n) for n in allowed), reverse=True)
        found = [{"id": n, "score": score, "payload": points[n][1]} for score, n in scored[: body["limit"]]]
        return self._say(200, {"result": {"points": found}})

    def _say(self, code: int, body: Any, location: str = "") -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = _answer

    def log_message(self, *told: Any) -> None: ...


@pytest.fixture
def qdrant(monkeypatch: pytest.MonkeyPatch) -> Iterator[Qdrant]:
    monkeypatch.delenv(KEY, raising=False)
    server = Qdrant()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def kept_at(server: Qdrant, name: str = "towns") -> dict[str, str]:
    return {"url": server.url, "collection": name}


def test_a_server_finds_what_a_file_finds(towns: Path, make_index: Make, qdrant: Qdrant) -> None:
    """The same passages in the same order by meaning, in one source, and by both; no vectors lie in the folder."""
    near = retrieve.open_index(make_index(towns, "near"))
    folder = make_index(towns, "far", store=kept_at(qdrant))
    far = retrieve.open_index(folder)
    assert not (folder / "vectors.f32").exists()
    assert len(qdrant.collections["towns"][1]) == near.about.chunks
    within = near.store.rows_in("corvin.md")
    for question in ("When was the bridge of Corvin built?", "How many live in Elsin?"):
        for search in ({"by": "dense"}, {"by": "hybrid", "dense_share": 0.4}, {"by": "hybrid"}):
            settings = retrieve.Search.model_validate(search)
            for rows in (None, within):
                expected = near.candidates(question, settings, rows)
                found = far.candidates(question, settings, rows)
                assert [row for row, _ in found] == [row for row, _ in expected]
                assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-5)


@contextmanager
def putting(
    before: Callable[[int], None] = lambda first: None, after: Callable[[int], None] = lambda first: None
) -> Iterator[None]:
    """Five points are sent at a time; `before` and `after` hear the number of their first."""
    put = Collection.put

    def heard(self: Collection, first: int, *told: Any) -> None:
        before(first)
        put(self, first, *told)
        after(first)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "POINTS_AT_ONCE", 5)
        patch.setattr(Collection, "put", heard)
        yield


def stop_at_five(first: int) -> None:
    if first == 5:
        raise Stopped


def test_sending_goes_on_after_a_stop(towns: Path, make_index: Make, qdrant: Qdrant) -> None:
    """Stopped between two blocks, the next attempt sends the rest into the collection that it had begun."""
    sent: list[int] = []

    def once(first: int) -> None:
        sent.append(first)
        if sent == [0, 5]:
            raise Stopped

    with putting(before=once):
        with pytest.raises(Stopped):
            make_index(towns, store=kept_at(qdrant))
        index = retrieve.open_index(make_index(towns, store=kept_at(qdrant)))
    assert sent == [0, 5, 5, 10]
    assert sorted(qdrant.collections["towns"][1]) == list(range(index.about.chunks))


def test_a_collection_that_is_gone_is_filled_from_the_beginning(towns: Path, make_index: Make, qdrant: Qdrant) -> None:
    """Deleted on the server between two attempts, it gets every point, not those after the ones it had."""
    with putting(before=stop_at_five), pytest.raises(Stopped):
        make_index(towns, store=kept_at(qdrant))
    qdrant.collections.clear()
    index = retrieve.open_index(make_index(towns, store=kept_at(qdrant)))
    assert sorted(qdrant.collections["towns"][1]) == list(range(index.about.chunks))


Points = dict[int, tuple[Any, Any]]


@pytest.mark.parametrize(
    "others",
    [
        lambda points: {number: (vector, {"sha256": said["sha256"]}) for number, (vector, said) in points.items()},
        lambda points: {number: (vector, {**said, "mark": "00"}) for number, (vector, said) in points.items()},
        lambda points: {number + 1000: each for number, each in points.items()},
        lambda points: {**points, 1000: points[0]},
        lambda points: {1000: points[0]},
    ],
    ids=["unmarked", "marked by others", "other numbers", "one more", "one"],
)
def test_a_collection_of_somebody_else_is_not_written_into(
    others: Callable[[Points], Points], towns: Path, make_index: Make, qdrant: Qdrant
) -> None:
    """Made anew under the same name, or written into, while sending was interrupted: refused, and left as it is."""
    with putting(before=stop_at_five), pytest.raises(Stopped):
        make_index(towns, store=kept_at(qdrant))
    size, points = qdrant.collections["towns"]
    found = others(points)
    qdrant.collections["towns"] = (size, dict(found))
    with pytest.raises(AdvisorError, match="vectors that were not sent here") as raised:
        make_index(towns, store=kept_at(qdrant))
    assert raised.value.code is ExitCode.REFUSED
    assert qdrant.collections["towns"][1] == found


def test_what_was_sent_and_not_noted_is_sent_again(towns: Path, make_index: Make, qdrant: Qdrant) -> None:
    """Killed after a block was sent and before that was noted, the next attempt knows the block for its own."""
    times = [0, 1, 5]

    def killed(first: int) -> None:
        if first == times.pop(0):
            raise Stopped

    with putting(after=killed):
        while times:
            with pytest.raises(Stopped):
                make_index(towns, store=kept_at(qdrant))
    index = retrieve.open_index(make_index(towns, store=kept_at(qdrant)))
    assert sorted(qdrant.collections["towns"][1]) == list(range(index.about.chunks))


def test_a_collection_with_missing_points_is_refused(towns: Path, make_index: Make, qdrant: Qdrant) -> None:
    """Emptied while it was filled: no index is left over it, and after it was deleted the next attempt sends all."""

    def emptied(first: int) -> None:
        if first == 5:
            qdrant.collections["towns"][1].clear()

    with putting(before=emptied), pytest.raises(AdvisorError, match=r"holds \d+ of \d+ vectors"):
        make_index(towns, store=kept_at(qdrant))
    qdrant.collections.clear()
    index = retrieve.open_index(make_index(towns, store=kept_at(qdrant)))
    assert len(qdrant.collections["towns"][1]) == index.about.chunks


def test_no_proxy_reads_what_is_meant_for_this_machine(qdrant: Qdrant, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a proxy in the environment the server of this machine is asked directly, another one through the proxy."""
    proxy = Qdrant()
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv(KEY, "secret-7\r")  # with the line end of a file it was read from
    for host in ("127.0.0.1", "localhost"):
        address = qdrant.url.replace("127.0.0.1", host)
        assert Collection(Server(url=address, collection="x")).points() is None
    assert (qdrant.keys_seen, proxy.keys_seen) == (["secret-7"] * 2, [])
    monkeypatch.delenv(KEY)
    Collection(Server(url="http://qdrant.example:6333", collection="x")).points()
    assert proxy.keys_seen == [""]
    proxy.shutdown()
    proxy.server_close()


def test_nothing_is_written_over(towns: Path, make_index: Make, qdrant: Qdrant) -> None:
    """A collection that is there is refused; one that was filled with something else since is not searched."""
    index = retrieve.open_index(make_index(towns, "first", store=kept_at(qdrant)))
    with pytest.raises(AdvisorError, match="already") as raised:
        make_index(towns, "second", store=kept_at(qdrant))
    assert raised.value.code is ExitCode.REFUSED
    points = qdrant.collections["towns"][1]
    points.update({number: (vector, {"sha256": "00"}) for number, (vector, _) in points.items()})
    with pytest.raises(AdvisorError, match="holds other passages"):
        index.search("bridge")
    qdrant.collections.clear()
    with pytest.raises(AdvisorError, match="has no collection towns"):
        index.search("bridge")


def test_a_missing_server_is_said_before_anything_starts(towns: Path, embedder: Path, qdrant: Qdrant) -> None:
    """Preflight names the address, and what to do."""
    gone = qdrant.url
    qdrant.shutdown()
    qdrant.server_close()
    told = {"data": {"path": str(towns), "kind": "documents"}, "embedder": str(embedder)}
    config = retrieve.Config.model_validate({**told, "store": {"url": gone, "collection": "x"}})
    (found,) = retrieve.preflight(config, Inputs(roles={"model": Input(kind="causal-lm", path="x")}), Machine())
    assert gone in found.text and "start it" in found.hint


def test_the_key_comes_from_the_environment_and_stays_here(
    towns: Path, make_index: Make, qdrant: Qdrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that wants a key gets it; without one the error says what to set; no file of the index holds it."""
    qdrant.key = "secret-7"
    with pytest.raises(AdvisorError, match="wants a key") as raised:
        make_index(towns, "none", store=kept_at(qdrant))
    assert KEY in raised.value.hint
    monkeypatch.setenv(KEY, "secret-7")
    folder = make_index(towns, "some", store=kept_at(qdrant))
    assert retrieve.open_index(folder).search("bridge")
    assert not any(b"secret-7" in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    with pytest.raises(AdvisorError, match="in clear"):
        Collection(Server(url="http://qdrant.example:6333", collection="x"))


def test_another_address_gets_nothing(qdrant: Qdrant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect is not followed: the key is sent to the host that is named, and to no other."""
    monkeypatch.setenv(KEY, "secret-7")
    other = Qdrant()
    threading.Thread(target=other.serve_forever, daemon=True).start()
    qdrant.moved = other.url + "/collections/x"
    with pytest.raises(AdvisorError, match="status 307"):
        Collection(Server(url=qdrant.url, collection="x")).points()
    assert other.keys_seen == []
    other.shutdown()
    other.server_close()


@pytest.mark.parametrize("url", ["qdrant:6333", "file:///etc/passwd", "http://user:pw@host", "http://a b", "https://"])
def test_addresses_are_checked(url: str) -> None:
    """Only http and https, without a name or key in the address."""
    with pytest.raises(ValueError, match="address"):
        Server(url=url, collection="x")
