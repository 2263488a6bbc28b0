"""`advisor schema`: the JSON Schema of each file format."""

from __future__ import annotations

import argparse

SUMMARY = "JSON Schema of a file format"
FORMATS = ("answers", "plan", "report", "events", "estimate")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", choices=FORMATS)


def run(args: argparse.Namespace) -> int:
    from pydantic import BaseModel, TypeAdapter

    from advisor.cli.output import write_json
    from advisor.domain.answers import Answers
    from advisor.domain.estimate import EstimateRequest
    from advisor.domain.event import Event
    from advisor.domain.plan import Plan
    from advisor.domain.recommendation import Recommendation

    types: dict[str, type[BaseModel]] = {
        "answers": Answers,
        "plan": Plan,
        "report": Recommendation,
        "estimate": EstimateRequest,
    }
    if args.format == "events":
        schema = TypeAdapter(Event).json_schema()
    else:
        schema = types[args.format].model_json_schema(by_alias=True)
    write_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    return 0
