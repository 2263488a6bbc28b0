"""Paths of data that an earlier step makes: `step:N` in a plan is the folder of that step once it is done.

The request keeps `step:N`, so that a step is the same step wherever its run lies; its worker reads the real folder.
"""

from __future__ import annotations

from typing import Any

from advisor.domain.plan import STEP
from executors.protocol import Inputs

ROLE = "data"


def placed(config: Any, inputs: Inputs) -> Any:
    """The config with every `path: step:N` replaced by the folder given as the input `data`."""
    if isinstance(config, list | tuple):
        return [placed(value, inputs) for value in config]
    if not isinstance(config, dict):
        return config
    return {key: _path(value, inputs) if key == "path" else placed(value, inputs) for key, value in config.items()}


def _path(value: Any, inputs: Inputs) -> Any:
    is_made = isinstance(value, str) and value.startswith(STEP) and ROLE in inputs.roles
    return inputs.path(ROLE) if is_made else placed(value, inputs)
