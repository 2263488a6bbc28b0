"""Prompting as a step: writes a versioned prompt file that the chain's model is measured, asked and compared with.

The model stays as it is. Texts, examples and constraint are chosen on the training side of the data only.
"""

from executors.prompt.config import REQUIRES, Config, preflight
from executors.prompt.run import run

__all__ = ["REQUIRES", "Config", "preflight", "run"]
