"""What commands that make or run a plan may say of its gates and of bad data."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.domain.plan import Plan


def add_gates(parser: argparse.ArgumentParser) -> None:
    """`--on-regression`, `--max-regression` and `--bad-rows`."""
    parser.add_argument(
        "--on-regression",
        choices=("stop", "roll-back", "retry-milder"),
        help="what happens to a step that raises the held-out loss too much",
    )
    parser.add_argument(
        "--bad-rows", choices=("fail", "skip"), help="skip: go on without the rows that cannot be used, and name them"
    )
    parser.add_argument(
        "--max-regression", type=float, metavar="SHARE", help="the most the whole chain may raise it, e.g. 0.1"
    )


def with_gates(plan: Plan, args: argparse.Namespace) -> Plan:
    """The plan with what was said. Raises AdvisorError for a share below 0."""
    from advisor.domain.errors import AdvisorError

    if args.max_regression is not None and not 0 <= args.max_regression < float("inf"):
        raise AdvisorError("--max-regression is a share such as 0.1", why=f"it is {args.max_regression}")
    update = {"on_regression": args.on_regression, "max_regression": args.max_regression}
    plan = plan.model_copy(update={key: value for key, value in update.items() if value is not None})
    return _with_bad_rows(plan, args.bad_rows) if args.bad_rows is not None else plan


def _with_bad_rows(plan: Plan, said: str) -> Plan:
    """The plan with `bad_rows` in every description of data."""

    def changed(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        inner = {key: changed(item) for key, item in value.items()}
        return {**inner, "bad_rows": said} if {"path", "kind"} <= inner.keys() else inner

    steps = tuple(step.model_copy(update={"config": changed(step.config)}) for step in plan.steps)
    evaluation = plan.evaluation.model_copy(update={"config": changed(plan.evaluation.config)})
    return plan.model_copy(update={"steps": steps, "evaluation": evaluation})
