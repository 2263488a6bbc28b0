"""`advisor data`: clean, mix, convert, extend or translate a data set into a new folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

SUMMARY = "clean, mix, convert, extend or translate a data set; the result is a new folder that training reads"
SHAPES = ("messages", "alpaca", "sharegpt", "prompt-completion")
BUILTIN_MODEL = "builtin:smollm2-135m-instruct"


def configure(parser: argparse.ArgumentParser) -> None:
    what = "quality: deduplicate, length, language, leaks; mix: add general data; format: convert and show samples; "
    what += "synthesize: have a model write more; translate: into another language"
    parser.add_argument("what", choices=("quality", "mix", "format", "synthesize", "translate"), help=what)
    parser.add_argument("data", metavar="DATA", help="a file, a folder, or builtin:stdlib")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="a new folder for the result")
    parser.add_argument("--kind", metavar="KIND", help="the kind of data; found out for files")
    parser.add_argument("--general", metavar="DATA", help="mix: the general data, e.g. builtin:reference")
    parser.add_argument(
        "--to", metavar="SHAPE", help="format: messages, alpaca, sharegpt, prompt-completion; translate: a language"
    )
    parser.add_argument(
        "--model", default=BUILTIN_MODEL, metavar="ID", help="whose chat template is used, or who writes"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any other setting, e.g. similarity=0.9"
    )
    parser.add_argument(
        "--bad-rows", choices=("fail", "skip"), default="fail", help="skip: go on without unusable rows"
    )
    parser.add_argument("--json", action="store_true", help="the report as JSON")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import write, write_json
    from advisor.runs.data import prepare_data

    report = prepare_data(args.what, _config(args), args.model, Path(args.output).expanduser(), _hear)
    if args.json:
        write_json({"schema": 1, **report})
    else:
        numbers = (
            f"{key.replace('_', ' ')} {value}" for key, value in report.items() if isinstance(value, int | float)
        )
        write(f"{args.output}: {', '.join(numbers)}\n")
    return 0


def _config(args: argparse.Namespace) -> dict[str, Any]:
    """The executor's settings. Raises AdvisorError for a setting that is not KEY=VALUE, or one that is missing."""
    import yaml

    from advisor.domain.errors import AdvisorError

    _refuse_unread(args)
    config: dict[str, Any] = {"data": {**_spec(args.data, args.kind), "bad_rows": args.bad_rows}}
    for text in args.set:
        key, sign, value = text.partition("=")
        if not sign:
            raise AdvisorError(f"--set {text!r} is not KEY=VALUE")
        config[key] = yaml.safe_load(value)
    if args.what == "mix":
        if args.general is None:
            raise AdvisorError("mix needs to know what to add", hint="--general DATA")
        config["general"] = _spec(args.general, None)
    if args.to is not None:
        config["shape" if args.what == "format" else "language"] = args.to
    return config


def _refuse_unread(args: argparse.Namespace) -> None:
    """An option that the preparation would not read is an error, and so is one that it cannot do without."""
    from advisor.domain.errors import AdvisorError

    if args.general is not None and args.what != "mix":
        raise AdvisorError(f"{args.what} does not read --general", hint="mix does")
    if args.to is not None and args.what not in ("format", "translate"):
        raise AdvisorError(f"{args.what} does not read --to", hint="format and translate do")
    if args.what == "format" and args.to is not None and args.to not in SHAPES:
        raise AdvisorError(f"--to {args.to!r} is no shape", hint=f"known are {', '.join(SHAPES)}")
    if args.what == "translate" and args.to is None and not any(text.startswith("language=") for text in args.set):
        raise AdvisorError("translate needs to know the language", hint="--to LANGUAGE, e.g. --to de")


def _spec(path: str, kind: str | None) -> dict[str, Any]:
    """A data set with its kind, which a look at the file tells."""
    from advisor.domain.errors import AdvisorError
    from advisor.domain.words import DataKind
    from advisor.probe.data import probe_data

    if kind is not None and kind not in set(DataKind):
        raise AdvisorError(f"{kind!r} is no kind of data", hint=f"known are {', '.join(DataKind)}")
    wanted = DataKind(kind) if kind else None
    found = wanted or probe_data(path, quick=True, kind=wanted).kind
    place = path if path.startswith("builtin:") else str(Path(path).expanduser().absolute())
    return {"path": place, "kind": found.value}


def _hear(event: dict[str, Any]) -> None:
    """What the worker says goes to stderr."""
    from advisor.probe.untrusted import printable

    if event.get("type") == "log.written":
        sys.stderr.write("\n".join(map(printable, str(event["text"]).split("\n"))) + "\n")
    elif event.get("type") == "diagnostic.raised" and event.get("severity") == "warning":
        because = f" ({event['because']})" if event.get("because") else ""
        sys.stderr.write(f"warning: {printable(event['text'])}{printable(because)}\n")
