"""How far off estimates were on this machine: `python -m tests.bench.own_error`.

For every step that was measured here: the formulas' error, and the error after correction by the runs before it alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from advisor.domain.measurement import Measurement, Quantity
from advisor.runs.measurements import corrections, read_measurements


def rows(found: tuple[Measurement, ...]) -> Iterator[tuple[str, Quantity, float, float, float]]:
    """Method, quantity, measured, error of the formulas, error as advised then: (predicted - measured) / measured."""
    for position, each in enumerate(found):
        earlier = corrections(found[:position], each.machine, each.calibration)
        for quantity, measured in each.measured.items():
            plain = each.predicted[quantity]
            scopes = (each.method, each.family) if quantity == "seconds" else (each.method,)
            taught = [c.ratio for scope in scopes for c in earlier if (c.scope, c.quantity) == (scope, quantity)]
            advised = plain * (taught[0] if taught else 1.0)
            yield each.method, quantity, measured, plain / measured - 1, advised / measured - 1


def run() -> None:
    """Print one line per step and quantity, in the order they were measured."""
    found = read_measurements()
    if not found:
        print("Nothing was measured on this machine yet: advisor run measures.")
        return
    print("| method | quantity | measured | error of the formulas | error with earlier runs |")
    print("| --- | --- | --- | --- | --- |")
    for method, quantity, measured, plain, advised in rows(found):
        print(f"| {method} | {quantity} | {measured:.2f} | {plain:+.0%} | {advised:+.0%} |")


if __name__ == "__main__":
    run()
