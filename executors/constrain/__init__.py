"""Decoding under a constraint: whatever a model writes is in a regular language, and is finished within its budget.

A JSON Schema, a regular expression or a list of choices becomes an automaton over bytes; at each step only tokens are
left that keep the way to an accepted end open within the tokens that remain. It judges form, never truth.
"""

from executors.constrain.decode import Constrained, compile_constraint
from executors.constrain.spec import Constraint

__all__ = ["Constrained", "Constraint", "compile_constraint"]
