"""Alignment by judged answers, in one stage, through TRL: DPO and ORPO on pairs, KTO on single marks.

Gives an adapter, or a whole model (full). The stages of RLHF are `align.reward` and `align.policy`.
"""

from executors.align.config import REQUIRES, Config, preflight
from executors.align.run import run

__all__ = ["REQUIRES", "Config", "preflight", "run"]
