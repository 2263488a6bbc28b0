"""Vectors kept by a Qdrant server, for indexes that outgrow a file: made, filled and searched over its REST protocol.

Only what is used is spoken: a collection is made and described, points are put and queried. The key comes from the
environment alone, goes to the host that is named, and never over an open network in clear. Each point carries the hash
of its passage: answers of a collection that was filled with something else are refused. It carries the mark of the
sending, too: what goes on after an interruption goes into the collection that was begun, not into one of its name.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import Field, field_validator

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, ExitCode
from executors.models.web import is_private, opener

KEY = "QDRANT_API_KEY"
SECONDS = 30
LARGEST_ANSWER = 64 * 2**20
POINTS_AT_ONCE = 256


class Server(Frozen):
    """Where vectors are kept instead of in a file. The key is read from QDRANT_API_KEY."""

    url: str = Field(max_length=500)
    collection: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        rest = value.partition("://")[2]
        if not value.startswith(("http://", "https://")) or not rest or "@" in rest or any(c <= " " for c in value):
            raise ValueError("must be an http or https address without a name or key in it")
        return value.rstrip("/")


class Collection:
    """One collection of a server. Every method raises AdvisorError for a server that is missing or refuses."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._key = os.environ.get(KEY, "").strip()  # a line end would be refused, and told with the key
        self._opener = opener(server.url)
        if self._key and not is_private(server.url):
            raise AdvisorError(
                f"{server.url} would get {KEY} in clear", why="the address is http", hint="use https, or unset the key"
            )

    def points(self) -> int | None:
        """How many points it has; None when there is no such collection."""
        found = self._ask("GET", "", missing_is_none=True)
        return None if found is None else int(found.get("points_count") or 0)

    def count(self) -> int:
        """How many points it holds, counted one by one; `points` may be an estimate."""
        found = self._ask("POST", "/points/count", {"exact": True})
        try:
            return int(found["count"])
        except (KeyError, TypeError, ValueError):
            return 0

    def require_new(self) -> None:
        """Nothing of anybody is written over: raises AdvisorError (8) for a collection that is there."""
        if self.points() is not None:
            raise AdvisorError(
                f"{self.server.url} has a collection {self.server.collection} already",
                why="it may be somebody's, and nothing is written over",
                hint="name another collection, or delete that one",
                code=ExitCode.REFUSED,
            )

    def require(self, sent: int, mark: str) -> None:
        """Raises AdvisorError when it does not hold the `sent` points that were marked so, or (8) when it holds others.

        It may hold the block after them as well: killed in between, that it was sent was not noted.
        """
        marks = self._marks(range(max(0, sent - POINTS_AT_ONCE), sent + POINTS_AT_ONCE))
        held, known = self.count(), sum(row < sent for row in marks)
        is_missing = known < min(sent, POINTS_AT_ONCE)
        is_other = held > sent + len(marks) - known or (is_missing and held >= (sent if known else 1))
        if is_other or any(other != mark for other in marks.values()):
            raise AdvisorError(
                f"the collection {self.server.collection} at {self.server.url} holds vectors that were not sent here",
                why="somebody made it anew, or wrote into it, while they were sent",
                hint="name another collection, or delete that one and resume",
                code=ExitCode.REFUSED,
            )
        if held < sent:
            raise AdvisorError(
                f"the collection {self.server.collection} at {self.server.url} holds {held} of {sent} vectors",
                why="it was made anew, or points were deleted, while they were sent",
                hint="delete the collection and resume: all of them are sent again",
            )

    def _marks(self, rows: Sequence[int]) -> dict[int, str]:
        """The marks of those of the points that it holds; empty for a point that carries none."""
        found = self._ask("POST", "/points", {"ids": list(rows), "with_payload": True})
        try:
            return {int(point["id"]): str((point.get("payload") or {}).get("mark", "")) for point in found}
        except (AttributeError, KeyError, TypeError, ValueError):
            return {}

    def create(self, dimension: int) -> None:
        """Make it, for cosines."""
        self._ask("PUT", "", {"vectors": {"size": dimension, "distance": "Cosine"}})

    def put(self, first: int, vectors: Any, hashes: Sequence[bytes], mark: str) -> None:
        """Put points numbered from `first`; those of the same numbers are replaced. `vectors`: (rows, dimension).

        `mark`: says which sending they belong to.
        """
        points = [
            {"id": first + at, "vector": [float(x) for x in vector], "payload": {"sha256": sha256.hex(), "mark": mark}}
            for at, (vector, sha256) in enumerate(zip(vectors, hashes, strict=True))
        ]
        self._ask("PUT", "/points?wait=true", {"points": points})

    def search(
        self, vector: Any, k: int, hash_of: Callable[[list[int]], list[bytes]], within: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """(row, cosine) of the `k` nearest points, best first. `within`: the rows that may be found.

        `hash_of`: the hashes of rows as the index knows them.
        """
        asked: dict[str, Any] = {"query": [float(x) for x in vector], "limit": k, "with_payload": True}
        if within is not None:
            asked["filter"] = {"must": [{"has_id": [int(row) for row in within]}]}
        try:
            points = self._ask("POST", "/points/query", asked)["points"]
            found = [(int(point["id"]), float(point["score"])) for point in points]
            said = [str(point["payload"]["sha256"]) for point in points]
            known = [sha256.hex() for sha256 in hash_of([row for row, _ in found])]
        except (KeyError, TypeError, ValueError):
            said, known, found = ["?"], [], []
        if said != known:
            raise AdvisorError(
                f"the collection {self.server.collection} at {self.server.url} holds other passages",
                why="it was filled anew since this index was made",
                hint="make the index again",
            )
        return found

    def _ask(self, method: str, path: str, body: Any = None, missing_is_none: bool = False) -> Any:
        address = f"{self.server.url}/collections/{self.server.collection}{path}"
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"api-key": self._key} if self._key else {})
        request = urllib.request.Request(address, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:
                raw = answer.read(LARGEST_ANSWER + 1)
            if len(raw) > LARGEST_ANSWER:
                raise ValueError("its answer is too long")
            return json.loads(raw)["result"]
        except urllib.error.HTTPError as error:
            if error.code == 404 and missing_is_none:
                return None
            raise self._refused(error.code, error.read(2000)) from None
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, RecursionError) as error:
            why = str(getattr(error, "reason", "") or error)[:200]
            raise AdvisorError(
                f"no Qdrant server answers at {self.server.url}", why=why, hint="start it, or correct store.url"
            ) from None

    def _refused(self, code: int, raw: bytes) -> AdvisorError:
        said = "".join(c for c in raw.decode("utf-8", "replace") if c.isprintable())[:200]
        if code in (401, 403):
            return AdvisorError(f"{self.server.url} wants a key", why=f"status {code}", hint=f"set {KEY}")
        if code == 404:
            return AdvisorError(
                f"{self.server.url} has no collection {self.server.collection}", hint="make the index again"
            )
        return AdvisorError(
            f"{self.server.url} refused", why=f"status {code}: {said}".replace(self._key or "\0", "***")
        )
