"""A model behind an endpoint that speaks the protocol of OpenAI's chat completions, asked over HTTP.

Address, model and key come from the environment alone (ADVISOR_TEACHER_URL, ADVISOR_TEACHER_MODEL,
ADVISOR_TEACHER_KEY), so that neither a plan nor a run folder can hold a key or send data somewhere unseen.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field

from advisor.domain.errors import AdvisorError, ExitCode
from executors.models.web import opener

URL, MODEL, KEY = "ADVISOR_TEACHER_URL", "ADVISOR_TEACHER_MODEL", "ADVISOR_TEACHER_KEY"
TIMEOUT_SECONDS = 120
LARGEST_ANSWER = 4 * 2**20


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, and which model."""

    url: str
    model: str
    key: str = field(default="", repr=False)

    def ask(self, prompt: str, tokens: int, temperature: float = 0.0, seed: int = 0) -> str:
        """The model's answer. Raises AdvisorError when it cannot be reached or answers nothing usable."""
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": tokens,
            "temperature": temperature,
            "seed": seed,
        }
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        address = f"{self.url.rstrip('/')}/chat/completions"
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)
        try:
            with opener(self.url).open(request, timeout=TIMEOUT_SECONDS) as answer:
                said = json.loads(answer.read(LARGEST_ANSWER))
            text = said["choices"][0]["message"]["content"]
        except (OSError, urllib.error.URLError, ValueError, LookupError, TypeError) as error:
            raise AdvisorError(
                f"the endpoint {self.url} gave no answer",
                why=f"{type(error).__name__}: {error}"[:200].replace(self.key or "\0", "***"),
                hint=f"check {URL}, {MODEL} and {KEY}",
                code=ExitCode.RUN_FAILED,
            ) from None
        return text if isinstance(text, str) else ""


def named_endpoint() -> Endpoint | None:
    """The endpoint that the environment names; None when it names none. Raises AdvisorError for another protocol."""
    url = os.environ.get(URL, "")
    if not url:
        return None
    if not url.startswith(("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")):
        raise AdvisorError(f"{URL} is not usable", why="data is sent over https, or to this machine only")
    model = os.environ.get(MODEL, "")
    if not model:
        raise AdvisorError(f"{URL} is set and {MODEL} is not", hint="say which model to ask")
    return Endpoint(url, model, os.environ.get(KEY, ""))
