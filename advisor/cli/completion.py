"""`advisor completion`: a script that completes commands, options and fixed words in bash, zsh or fish.

It is made from the parsers of the commands themselves, so it cannot lag behind them. Files are left to the shell.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator

SUMMARY = "a script that completes commands and options in bash, zsh or fish"
SHELLS = ("bash", "zsh", "fish")
INSTALL = {
    "bash": "source <(advisor completion bash)",
    "zsh": "source <(advisor completion zsh)",
    "fish": "advisor completion fish | source",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS)


def run(args: argparse.Namespace) -> int:
    from advisor.cli import COMMANDS
    from advisor.cli.output import write

    words = {command: sorted(set(_words(command))) for command in ("", *COMMANDS)}
    body = _fish(words, COMMANDS) if args.shell == "fish" else _bash(words, args.shell)
    write(f"# In the shell's start-up file: {INSTALL[args.shell]}\n{body}")
    return 0


def _words(command: str) -> Iterator[str]:
    """The options of a command and the words its arguments may be."""
    from advisor.cli.parser import Parser

    module = importlib.import_module(f"advisor.cli.{command or 'top'}")
    parser = Parser(prog="advisor", description="")
    module.configure(parser)
    for action in parser._actions:
        yield from (option for option in action.option_strings if option.startswith("--"))
        yield from map(str, action.choices or ())
    yield from _entries(command)


def _entries(command: str) -> tuple[str, ...]:
    """Ids of the knowledge, for the commands that take them."""
    if command not in ("techniques", "matrix"):
        return ()
    from advisor.domain.words import Family
    from advisor.knowledge import load_knowledge

    ids = tuple(technique.id for technique in load_knowledge().techniques)
    return ids if command == "techniques" else (*ids, *(family.value for family in Family))


def _bash(words: dict[str, list[str]], shell: str) -> str:
    lines = ["autoload -Uz bashcompinit && bashcompinit"] if shell == "zsh" else []
    lines += ["_advisor() {", '  local current="${COMP_WORDS[COMP_CWORD]}" known', '  case "${COMP_WORDS[1]}" in']
    for command, known in words.items():
        if command:
            lines.append(f'    {command}) known="{" ".join(known)}" ;;')
    lines += [f'    *) known="{" ".join(words[""])}" ;;', "  esac"]
    commands = " ".join(command for command in words if command)
    lines += [
        f'  [ "$COMP_CWORD" -eq 1 ] && known="{commands} {" ".join(words[""])}"',
        '  COMPREPLY=( $(compgen -W "$known" -- "$current") )',
        "}",
        "complete -o default -F _advisor advisor",
    ]
    return "\n".join(lines) + "\n"


def _fish(words: dict[str, list[str]], summaries: dict[str, str]) -> str:
    lines = []
    for command, known in words.items():
        if command:
            text = summaries[command].replace("'", "\\'")
            lines.append(f"complete -c advisor -n __fish_use_subcommand -a {command} -d '{text}'")
        where = f"'__fish_seen_subcommand_from {command}'" if command else "__fish_use_subcommand"
        for word in known:
            form = f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"
            lines.append(f"complete -c advisor -n {where} {form}")
    return "\n".join(lines) + "\n"
