"""The tools a model may call: arithmetic, and a look-up in documents that came with the prompt. Nothing else.

Both are bounded: an expression in length, depth and size of its numbers, a look-up in what it returns.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence

from executors.prompt.examples import Vectors
from executors.prompt.file import Example

LONGEST_CALL = 200
LONGEST_RESULT = 300
LARGEST = 1e15
TOO_LONG, BY_ZERO, NO_ARITHMETIC = "the expression is too long", "division by zero", "not an arithmetic expression"
WITHOUT_VALUE = (TOO_LONG, BY_ZERO, NO_ARITHMETIC)
"""What `calculate` says in place of a value."""
_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
DESCRIPTIONS = {
    "calculator": "calculator: the value of an arithmetic expression, e.g. 3 * (4 + 5)",
    "lookup": "lookup: what the documents say of a name, e.g. json.dumps",
}


def calculate(text: str) -> str:
    """The value of an arithmetic expression; one of `WITHOUT_VALUE` when it has none."""
    if len(text) > LONGEST_CALL:
        return TOO_LONG
    try:
        value = _value(ast.parse(text.strip(), mode="eval").body, 0)
    except ZeroDivisionError:
        return BY_ZERO
    except (SyntaxError, ValueError, TypeError, OverflowError, RecursionError, MemoryError):
        return NO_ARITHMETIC
    return str(int(value)) if value == int(value) else f"{value:.10g}"


def _value(node: ast.expr, depth: int) -> float:
    if depth > 32:
        raise ValueError
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return _bounded(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _value(node.operand, depth + 1)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, depth + 1), _value(node.right, depth + 1)
        if isinstance(node.op, ast.Pow):
            if abs(right) > 64:
                raise ValueError
            return _bounded(float(left**right))
        return _bounded(_BINARY[type(node.op)](left, right)) if type(node.op) in _BINARY else _refuse()
    return _refuse()


def _bounded(value: float) -> float:
    if not abs(value) <= LARGEST:
        raise ValueError
    return value


def _refuse() -> float:
    raise ValueError


class Lookup:
    """Finds the document whose name or text is most like what is asked."""

    def __init__(self, documents: Sequence[Example]) -> None:
        self._documents = list(documents)
        self._vectors = Vectors([f"{d.question} {d.question} {d.answer}" for d in documents])
        self._names = {d.question.lower(): n for n, d in enumerate(documents)}

    def __call__(self, text: str) -> str:
        """The beginning of the document found, on one line."""
        if not self._documents:
            return "there are no documents"
        exact = self._names.get(text.strip().strip("`'\"").lower())
        number = exact if exact is not None else self._vectors.nearest(text[:LONGEST_CALL], 1)[0]
        found = self._documents[number]
        return " ".join(f"{found.question}: {found.answer}".split())[:LONGEST_RESULT]
