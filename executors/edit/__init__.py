"""Knowledge editing: writes single facts into the down projections of a Llama-shaped model, many at once.

ROME (Meng et al. 2022) puts each fact into one layer, MEMIT (Meng et al. 2023) spreads all of them over several. Own
and plain torch. What was changed is measured before and after: efficacy, paraphrases, locality. It does not train.
"""

from executors.edit.config import REQUIRES, Config, preflight
from executors.edit.run import run

__all__ = ["REQUIRES", "Config", "preflight", "run"]
