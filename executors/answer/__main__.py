"""The answering process: reads `Opening`, `Question` and `Cancel` on stdin, answers on a private copy of stdout.

Ends when stdin closes, however the front end ended. Whatever a library prints goes to stderr.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.domain.answering import Opening, Question
    from executors.models.load import Loaded
    from executors.prompt.asking import Asker


def main() -> int:
    """Answer until the front end goes. Returns the exit code."""
    voice = _Voice(os.dup(1))
    os.dup2(2, 1)
    from executors.process.trouble import classify

    inbox = _Inbox()
    inbox.start()
    try:
        opening = inbox.opening()
        if opening is None:
            return 0
        subject = _load(opening, voice)
    except Exception as error:
        return voice.refuse(None, classify(error))
    while (question := inbox.next()) is not None:
        try:
            voice.say(_answer(subject, question, voice, inbox))
        except BrokenPipeError:
            return 0
        except Exception as error:
            voice.refuse(question.id, classify(error))
    return 0


class _Voice:
    """The private descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def say(self, message: Any) -> None:
        data = message.model_dump_json().encode() + b"\n"
        while data:
            data = data[os.write(self._descriptor, data) :]

    def refuse(self, number: int | None, trouble: Any) -> int:
        from advisor.domain.answering import Refused

        fields = {"text": trouble.text, "because": trouble.because, "hint": trouble.hint}
        self.say(Refused(id=number, exit_code=trouble.exit_code, **fields))
        return int(trouble.exit_code)


class _Inbox(threading.Thread):
    """Reads what the front end asks; a cancel is seen at once, while an answer is being written."""

    def __init__(self) -> None:
        super().__init__(name="inbox", daemon=True)
        self._lines: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._cancelled = threading.Event()

    def run(self) -> None:
        from advisor.domain.answering import Cancel, parse_asked

        for line in sys.stdin.buffer:
            try:
                asked = parse_asked(line)
            except ValueError as error:
                sys.stderr.write(f"not understood: {str(error).splitlines()[0]}\n")
                continue
            if isinstance(asked, Cancel):
                self._cancelled.set()
            else:
                self._lines.put(asked)
        self._cancelled.set()
        self._lines.put(None)
        # An answer is given up between two tokens; loading cannot be: nobody waits for either any more.
        time.sleep(2)
        os._exit(0)

    def opening(self) -> Opening | None:
        from advisor.domain.answering import Opening
        from advisor.domain.errors import AdvisorError

        first = self._lines.get()
        if first is None or isinstance(first, Opening):
            return first
        raise AdvisorError("the first line names no artifact")

    def next(self) -> Question | None:
        from advisor.domain.answering import Opening

        asked = self._lines.get()
        while isinstance(asked, Opening):
            asked = self._lines.get()
        if asked is not None:
            self._cancelled.clear()
        question: Question | None = asked
        return question

    def is_cancelled(self) -> bool:
        return self._cancelled.is_set()


def _load(opening: Opening, voice: _Voice) -> _Subject:
    from executors.process.environment import prepare_environment

    prepare_environment(opening.threads)
    began = time.perf_counter()
    from advisor.domain.answering import Ready
    from executors.models.load import load_model

    model, adapter = opening.roles["model"], opening.roles.get("adapter")
    asker = _asker(opening)
    loaded = load_model(model.kind, model.path, adapter=adapter.path if adapter is not None else None)
    voice.say(Ready(bytes=loaded.bytes, seconds=round(time.perf_counter() - began, 3), pid=os.getpid()))
    return _Subject(loaded, asker)


class _Subject:
    """What answers: a model, asked as it is or through what stands beside it."""

    def __init__(self, loaded: Loaded, asker: Asker) -> None:
        from executors.answer.through import Through

        self.loaded = loaded
        self.through = None if asker.is_plain else Through(loaded, asker)


def _asker(opening: Opening) -> Asker:
    from executors.evaluate.asked import asker_of
    from executors.protocol import Input, Inputs

    for role, given in opening.roles.items():
        if role != "model":
            _check_whole(role, given.path)
    roles = {role: Input(kind=given.kind, path=given.path) for role, given in opening.roles.items()}
    return asker_of(Inputs(roles=roles))


def _check_whole(role: str, path: str) -> None:
    """What stands beside a model is small: every byte of it is checked before anything reads it."""
    from pathlib import Path

    from advisor.domain.errors import AdvisorError
    from executors.artifact import MANIFEST, verify

    folder = Path(path)
    if not (folder / MANIFEST).is_file():
        return
    found = verify(folder)
    if not found.is_whole:
        raise AdvisorError(f"the {role} is damaged: {folder / found.file} {found.reason}", hint="advisor resume")


def _answer(subject: _Subject, question: Question, voice: _Voice, inbox: _Inbox) -> Any:
    from advisor.domain.answering import Piece
    from executors.answer.stream import answer

    def say(text: str) -> None:
        voice.say(Piece(id=question.id, text=text))

    if subject.through is not None:
        return subject.through.answer(question, say, inbox.is_cancelled)
    return answer(subject.loaded, question, say, inbox.is_cancelled)


if __name__ == "__main__":
    code = main()
    # Everything is said by now; exit handlers of native libraries can only hang or crash.
    os._exit(code)
