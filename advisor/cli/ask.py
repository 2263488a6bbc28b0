"""`advisor ask`: the same prompts to every model of a run, before and after each step."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from advisor.cli.arguments import add_run

if TYPE_CHECKING:
    from advisor.domain.answering import Answered, Piece
    from advisor.domain.errors import AdvisorError
    from advisor.runs.subjects import Subject

SUMMARY = "the same prompts to every model of a run, and what differs"


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--prompt", action="append", metavar="TEXT", help="may be given several times")
    parser.add_argument("--tokens", type=int, default=64, metavar="N", help="at most so many for each answer")
    parser.add_argument("--step", type=int, metavar="N", help="ask this step's model only; 0 is the baseline")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import note, write, write_json
    from advisor.report.document import to_text
    from advisor.report.run import compare_blocks
    from advisor.runs.comparing import Comparing, prompts_of
    from advisor.runs.report import run_report

    report = run_report(args.run_dir)
    comparing = Comparing(args.run_dir)
    answers: list[dict[str, object]] = []
    try:
        for prompt in args.prompt or prompts_of(report)[:1]:
            if not args.json:
                print(f"> {prompt}\n", flush=True)
            said = _Listener(prompt, args.json)
            comparing.ask(prompt, said, max(1, args.tokens), args.step)
            answers += said.found
    finally:
        comparing.close()
    if args.json:
        write_json({"schema": 1, "answers": answers})
    else:
        write(to_text(compare_blocks(report)))
        note(f"next: advisor keep|rollback {args.run_dir} STEP, or advisor export {args.run_dir} STEP --to FOLDER")
    return 0


class _Listener:
    """Prints each answer with how it differs from the first one."""

    def __init__(self, prompt: str, is_quiet: bool) -> None:
        self._prompt, self._is_quiet = prompt, is_quiet
        self.found: list[dict[str, object]] = []

    def __call__(self, subject: Subject, said: Piece | Answered | AdvisorError) -> None:
        from advisor.domain.answering import Answered, Piece
        from advisor.report.answers import likeness, marked
        from advisor.report.document import printable

        if isinstance(said, Piece):
            return
        entry: dict[str, object] = {"step": subject.number, "model": subject.name, "prompt": self._prompt}
        if not isinstance(said, Answered):
            self.found.append({**entry, "error": said.what})
            shown, about = said.message(), "no answer"
        else:
            base = str(self.found[0].get("answer", "")) if self.found else said.text
            rate = said.tokens / said.seconds if said.seconds else 0.0
            self.found.append({**entry, "answer": said.text, "tokens": said.tokens, "reason": said.reason})
            pieces = [f"[{text.strip()}]" if differs else text.strip() for text, differs in marked(base, said.text)]
            shown = " ".join(pieces)
            about = f"{likeness(base, said.text)}, " if len(self.found) > 1 else ""
            about += f"{said.tokens} tokens, {rate:.1f}/s"
        if not self._is_quiet:
            print(f"{subject.name} ({about})\n  {printable(shown)}\n", flush=True)
