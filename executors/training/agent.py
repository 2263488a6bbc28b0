"""torchrun that ends with the process that started it: `python -m executors.training.agent PARENT ARGUMENTS...`.

A killed `advisor join` can end nobody; its torchrun sees that it is gone, and the processes of the group see that
torchrun is.
"""

from __future__ import annotations

import os
import sys
import threading
import time

PARENT_SECONDS = 0.3


def main(argv: list[str]) -> None:
    """Run torchrun. It ends this process with its exit code."""
    threading.Thread(target=_die_with, args=(int(argv[0]),), daemon=True).start()

    from torch.distributed.run import main as torchrun

    torchrun(argv[1:])


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(137)


if __name__ == "__main__":
    main(sys.argv[1:])
