"""The argument parser of every command: errors are `AdvisorError`s that name the nearest option."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from advisor.domain.answers import GpuAnswer, HardwareAnswer
from advisor.domain.errors import AdvisorError


class Parser(argparse.ArgumentParser):
    """Exact option names only, so that adding an option never changes what a script means."""

    def __init__(self, *, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False, formatter_class=_formatter)

    def error(self, message: str) -> NoReturn:
        import difflib

        hint = f"{self.prog} --help"
        if message.startswith("unrecognized arguments: "):
            word = message.split(": ", 1)[1].split()[0]
            known = [option for action in self._actions for option in action.option_strings]
            close = difflib.get_close_matches(word.split("=")[0], known, n=1)
            message = f"unknown option {word!r}" if word.startswith("-") else f"unexpected argument {word!r}"
            hint = f"did you mean {close[0]}?" if close else hint
        raise AdvisorError(message, hint=hint)


def _formatter(prog: str) -> argparse.HelpFormatter:
    """A formatter as wide as the terminal. argparse makes one for every option, and would import the readers of
    archives to ask for the width."""
    return argparse.HelpFormatter(prog, width=_columns() - 2)


def _columns() -> int:
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said) > 0:
        return int(said)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1).columns or 80
    except (OSError, ValueError):
        return 80


def add_hardware_overrides(parser: argparse.ArgumentParser) -> None:
    """The options that simulate hardware; what follows from them is marked as simulated."""
    parser.add_argument("--gpu", type=gpu_argument, action="append", metavar="NAME:GIB[:COUNT]", help="simulate a GPU")
    parser.add_argument("--no-gpu", action="store_true", help="simulate a machine without a GPU")
    parser.add_argument("--ram", type=positive_gib, metavar="GIB", help="simulate this much memory")


def gpu_argument(text: str) -> GpuAnswer:
    """`NAME:GIB[:COUNT]` as a GPU. Raises argparse's error for anything else."""
    try:
        (gpu,) = HardwareAnswer.model_validate({"gpus": text}).gpus or ()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:GIB[:COUNT], e.g. RTX 4090:24 or A100:80:8") from None
    return gpu


def positive_gib(text: str) -> float:
    """A positive number of GiB."""
    if not _is_number(text) or float(text) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of GiB")
    return float(text)


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text) and abs(float(text)) != float("inf")
    except ValueError:
        return False
