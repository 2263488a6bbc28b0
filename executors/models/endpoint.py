"""A model behind an endpoint that speaks the protocol of OpenAI's chat completions, asked over HTTP.

Address, model and key come from the environment alone (ADVISOR_TEACHER_URL, ADVISOR_TEACHER_MODEL and
ADVISOR_TEACHER_KEY; ADVISOR_JUDGE_... for a judge), so that neither a plan nor a run folder can hold a key or send data
somewhere unseen.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field

from advisor.domain.errors import AdvisorError, ExitCode
from executors.models.web import is_private, opener

TEACHER, JUDGE = "ADVISOR_TEACHER", "ADVISOR_JUDGE"
"""What names an endpoint: `_URL`, `_MODEL` and `_KEY` follow in the environment."""
TIMEOUT_SECONDS = 120
LARGEST_ANSWER = 4 * 2**20


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, and which model. `named_by`: what its variables begin with."""

    url: str
    model: str
    key: str = field(default="", repr=False)
    named_by: str = TEACHER

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
                hint=f"check {self.named_by}_URL, {self.named_by}_MODEL and {self.named_by}_KEY",
                code=ExitCode.RUN_FAILED,
            ) from None
        return text if isinstance(text, str) else ""


def named_endpoint(by: str = TEACHER) -> Endpoint | None:
    """The endpoint that the environment names by these variables; None when it names none.

    Raises AdvisorError for half a name, and for an address to which data would go in clear or not by http.
    """
    url, model, key = (os.environ.get(f"{by}_{part}", "").strip() for part in ("URL", "MODEL", "KEY"))
    if not url and not model:
        return None
    if not url or not model:
        missing, there = ("MODEL", "URL") if url else ("URL", "MODEL")
        raise AdvisorError(f"{by}_{there} is set and {by}_{missing} is not", hint="set both, or neither")
    if not url.startswith(("http://", "https://")) or not is_private(url):
        raise AdvisorError(f"{by}_URL is not usable", why="data is sent over https, or to this machine only")
    return Endpoint(url, model, key, by)
