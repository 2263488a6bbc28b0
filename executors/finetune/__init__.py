"""Supervised fine-tuning: adapters and soft prompts of every kind, or all weights, through TRL and PEFT.

Trains on the assistant's turns of conversations, or on every token of texts. Gives an adapter or
a whole model (full). It merges nothing and measures only what steers the training; `merge` and `evaluate` do that.
"""

from executors.finetune.config import REQUIRES, Config, check_alone, milder, preflight
from executors.finetune.run import run

__all__ = ["REQUIRES", "Config", "check_alone", "milder", "preflight", "run"]
