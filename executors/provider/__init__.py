"""Fine-tuning by a provider: data checked and converted, cost estimated, uploaded, started, followed.

Through the official OpenAI client against any address that speaks its fine-tuning protocol. For Claude, which is
arranged with the vendor, the prepared data and what to do with it. Nothing is trained here and no model comes back.
"""

from executors.provider.config import EXTRA, REQUIRES, Config, preflight
from executors.provider.run import run

__all__ = ["EXTRA", "REQUIRES", "Config", "preflight", "run"]
