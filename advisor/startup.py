"""What makes every command start faster. Nothing here changes what a command does."""

from __future__ import annotations

import gc
import importlib
import sys
from types import ModuleType
from typing import Any

PLUGIN_LOADER = "pydantic.plugin._loader"


class _NoPlugins(ModuleType):
    """Stands for the module in which pydantic looks for plugins.

    The real one imports the readers of installed distributions (archives, mail headers, sockets), to find none.
    Whatever else is asked of it comes from the real one.
    """

    @staticmethod
    def get_plugins() -> tuple[()]:
        return ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system asks of any module
            raise AttributeError(name)
        sys.modules.pop(PLUGIN_LOADER, None)
        return getattr(importlib.import_module(PLUGIN_LOADER), name)


def prepare() -> None:
    """Call it before anything of pydantic is imported; later it does nothing."""
    sys.modules.setdefault(PLUGIN_LOADER, _NoPlugins(PLUGIN_LOADER))
    # Start-up makes some sixty thousand objects that live to the end; looking for garbage among them costs 20 ms and
    # finds nothing. A whole piece of advice stays below the threshold.
    gc.set_threshold(200_000, 20, 20)
