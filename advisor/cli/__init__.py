"""The command line: which command was asked for, and nothing else. Only that command's module is imported."""

from __future__ import annotations

import importlib
import sys

COMMANDS = {
    "plan": "the executable plan of an answers file, exact and editable",
    "run": "execute a plan or an answers file",
    "resume": "go on with a run after any stop",
    "join": "take part in a run from another machine",
    "stop": "stop a run; it can be resumed",
    "runs": "list runs",
    "report": "the report of a run",
    "compare": "prompt, retrieval, adapter and both on the same questions: which one wins here",
    "chat": "talk to what a run left: a model, adapter, index or prompt",
    "ask": "the same prompts to every model of a run",
    "keep": "keep a step of a run, whatever its gate says",
    "rollback": "roll a step of a run back",
    "export": "copy what a run, or one of its steps, left to a folder",
    "estimate": "memory and time of one step",
    "hardware": "what this machine is",
    "doctor": "a health block to paste into a bug report",
    "inspect": "format, rows, token lengths, defects of a data set",
    "data": "clean, mix, convert, extend or translate a data set",
    "techniques": "every technique, or one",
    "matrix": "the interaction matrix, or one pair",
    "tree": "the decision tree",
    "schema": "JSON Schema of a file format",
    "completion": "a script that completes commands in bash, zsh or fish",
}

HELP = """\
advisor: which techniques, in which order, for your model, data and hardware - then run them and see what was gained

Examples
  advisor                                        the app
  advisor --non-interactive answers.yaml         the recommendation, printed
  advisor --non-interactive answers.yaml --execute
  advisor plan answers.yaml --output plan.yaml   then: advisor run plan.yaml
  advisor matrix prune finetune                  what the sources say of that pair

Without a command
  --plain                     the same walk as numbered questions on plain stdout
  --non-interactive ANSWERS   read an answers file ('-': stdin) and print the report
      --format text|markdown|json|html   --output FILE   --execute   --run-dir DIR   --diff OTHER
  --gpu NAME:GIB[:COUNT]  --no-gpu  --ram GIB    simulate hardware (marked as simulated)
  --profile default|source-matrix                which interaction matrix decides the order
  --version

Commands ('advisor COMMAND --help' for each)
"""


def run_command(argv: list[str]) -> int:
    """Dispatch `argv` (without the program's name) to one command module. Returns its exit code."""
    word = argv[0] if argv else ""
    if word in COMMANDS:
        return _run_module(f"advisor.cli.{word}", word, argv[1:])
    if word in ("-h", "--help", "help"):
        sys.stdout.write(HELP + "".join(f"  {name:<12}{text}\n" for name, text in COMMANDS.items()))
        return 0
    if argv == ["--version"]:
        from advisor import __version__

        sys.stdout.write(f"advisor {__version__}\n")
        return 0
    if word and not word.startswith("-"):
        return _unknown_command(word)
    return _run_module("advisor.cli.top", "", argv)


def _run_module(name: str, command: str, argv: list[str]) -> int:
    from advisor.cli.parser import Parser

    module = importlib.import_module(name)
    parser = Parser(prog=f"advisor {command}".strip(), description=module.SUMMARY)
    module.configure(parser)
    code: int = module.run(parser.parse_args(argv))
    return code


def _unknown_command(word: str) -> int:
    import difflib

    from advisor.domain.errors import AdvisorError

    close = difflib.get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean 'advisor {close[0]}'?" if close else "advisor --help lists the commands"
    raise AdvisorError(f"unknown command {word!r}", hint=hint)
