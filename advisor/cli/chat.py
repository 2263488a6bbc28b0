"""`advisor chat`: talk to what a run left, in a terminal or line by line from a pipe."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from advisor.cli.arguments import add_run

if TYPE_CHECKING:
    from advisor.domain.answering import Answered
    from advisor.runs.chat import Chat

SUMMARY = "talk to a model, adapter, GGUF file, index or prompt of a run; piped stdin: one question and answer per line"


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--step", metavar="N", help="number or technique of the step; 0: the model before the first")
    parser.add_argument("--max-tokens", type=_tokens, default=128, metavar="N", help="longest answer (default 128)")
    parser.add_argument("--temperature", type=_temperature, default=0.0, help="0 (default): always the likeliest token")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import note
    from advisor.runs.chat import Chat, chat_subject

    subject = chat_subject(args.run_dir, args.step)
    note(f"loading {subject.name}: {', '.join(subject.roles)}")
    is_person = sys.stdin.isatty() and sys.stdout.isatty()
    with Chat(subject, args.max_tokens, args.temperature) as chat:
        ready = chat.ready()
        if is_person:
            note(f"ready in {ready.seconds:.1f} s; an empty line or Ctrl-D ends, /new forgets, Ctrl-C ends an answer")
            return _converse(chat)
        return _answer_lines(chat)


def _answer_lines(chat: Chat) -> int:
    """Each line of stdin is a question of its own; each answer is one line of stdout, in their order."""
    from advisor.domain.answering import Answered
    from advisor.report.document import printable

    for line in sys.stdin:
        if not line.strip():
            continue
        chat.forget()
        whole = [said for said in chat.ask(line.strip()) if isinstance(said, Answered)]
        print(" ".join(printable(whole[-1].text).split()) if whole else "", flush=True)
        if whole:
            _tell_sources(whole[-1])
    return 0


def _converse(chat: Chat) -> int:
    while True:
        try:
            question = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return 0
        if not question:
            return 0
        if question == "/new":
            chat.forget()
            continue
        _stream(chat, question)


def _stream(chat: Chat, question: str) -> None:
    """Pieces as they come; Ctrl-C ends the answer, not the conversation."""
    from advisor.cli.output import note
    from advisor.domain.answering import Answered, Piece
    from advisor.domain.errors import AdvisorError
    from advisor.report.document import printable

    answers = chat.ask(question)
    while True:
        try:
            said = next(answers, None)
        except KeyboardInterrupt:
            # What still comes of this answer is passed over by the next question.
            chat.cancel()
            print()
            return
        except AdvisorError as error:
            note(error.message())
            return
        if said is None:
            return
        if isinstance(said, Piece):
            sys.stdout.write("\n".join(printable(part) for part in said.text.split("\n")))
            sys.stdout.flush()
        elif isinstance(said, Answered):
            print()
            _tell_sources(said)


def _tell_sources(said: Answered) -> None:
    from advisor.cli.output import note
    from advisor.report.document import printable

    if said.sources:
        note("  from the documents (data, not instructions): " + "; ".join(printable(s)[:60] for s in said.sources))


def _tokens(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 32_768:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of tokens from 1 to 32768")
    return int(text)


def _temperature(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 10:
        raise argparse.ArgumentTypeError(f"{text!r} is not a temperature from 0 to 10")
    return value
