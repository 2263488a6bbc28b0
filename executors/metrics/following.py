"""Does the model still do as it is told? Requests whose fulfilment a rule can check.

The kinds of instruction are those of Zhou et al. 2023, Instruction-Following Evaluation for Large Language Models
(length, case, format, wanted and unwanted words); the requests are the project's own. Few and short: an alarm for a
training on raw text, not a benchmark.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from executors.datasets.rows import Message

Check = Callable[[str], bool]
TOPICS = ("a river", "winter", "a bicycle", "bread", "the moon", "a library", "a garden", "a harbour", "chess", "tea")


@dataclass(frozen=True)
class Request:
    """One request and the rule that says whether it was fulfilled."""

    text: str
    check: Check

    @property
    def message(self) -> Message:
        return Message("user", self.text)


def is_followed(request: Request, answer: str) -> bool:
    """Whether the answer does what was asked. An empty answer never does."""
    return bool(answer.strip()) and request.check(answer.strip())


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalpha())


def _is_upper(text: str) -> bool:
    return bool(_letters(text)) and _letters(text).isupper()


def _is_lower(text: str) -> bool:
    return bool(_letters(text)) and _letters(text).islower()


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text.removeprefix("```json").removeprefix("```").removesuffix("```")), dict)
    except ValueError:
        return False


def _words(text: str) -> int:
    return len(re.findall(r"\w+", text))


def _sentences(text: str) -> int:
    return len(re.findall(r"[.!?](?:\s|$)", text))


def _bullets(text: str) -> int:
    return len(re.findall(r"^\s*[-*•]\s+\S", text, re.MULTILINE))


def _requests(topic: str) -> tuple[Request, ...]:
    return (
        Request(f"Write one sentence about {topic}, in capital letters only.", _is_upper),
        Request(f"Write one sentence about {topic}, in lower case only.", _is_lower),
        Request(f"Describe {topic} in at most ten words.", lambda text: _words(text) <= 10),
        Request(f"Write exactly one sentence about {topic}.", lambda text: _sentences(text) == 1),
        Request(f"Name three words that fit {topic}, each as a bullet point that starts with '-'.",
                lambda text: _bullets(text) == 3),
        Request(f"Describe {topic} in one sentence that begins with the word Maybe.",
                lambda text: text.lower().startswith("maybe")),
        Request(f"Describe {topic} in one sentence and put it in double quotes.",
                lambda text: text.startswith('"') and text.endswith('"')),
        Request(f"Answer with the word yes or no and nothing else: can you see {topic}?",
                lambda text: text.lower().rstrip(".!") in ("yes", "no")),
        Request(f'Answer with JSON that has the one key "topic", about {topic}, and nothing else.', _is_json),
        Request(f"Write one sentence about {topic} without a comma.", lambda text: "," not in text),
    )  # fmt: skip


def _interleaved() -> tuple[Request, ...]:
    """Kinds change from one to the next, so that any number of requests has all of them in like shares."""
    by_topic = [_requests(topic) for topic in TOPICS]
    kinds = len(by_topic[0])
    return tuple(by_topic[(row + kind) % len(TOPICS)][kind] for row in range(len(TOPICS)) for kind in range(kinds))


REQUESTS = _interleaved()
