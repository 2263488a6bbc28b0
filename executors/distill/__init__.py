"""Distillation: a student learns from a teacher's probabilities, hidden states, answers, or a data set it writes.

The teacher is frozen; the student trains whole or through an adapter, on the same engine as fine-tuning, and goes on
after any stop. It compresses nothing by itself: the student is smaller because a pruning step, or this one where
`student_layers` is set, made it so, or because it is another model.
"""

from executors.distill.config import REQUIRES, Config, milder, preflight
from executors.distill.run import run

__all__ = ["REQUIRES", "Config", "milder", "preflight", "run"]
