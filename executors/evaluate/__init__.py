"""Measures a model on held-out data: perplexity, multiple choice, speed, memory, size, and a few answers.

The same rows in the same order for the baseline and after every step, so that values can be compared pair by pair.
It changes no model and judges nothing; the report compares.
"""

from executors.evaluate.config import REQUIRES, Config, preflight
from executors.evaluate.run import run

__all__ = ["REQUIRES", "Config", "preflight", "run"]
