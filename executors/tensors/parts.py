"""Work on the parts of a batch side by side: Python threads, each computing with one thread of its own.

torch's operations let go of the interpreter while they compute. Against its own threads, which share each operation
and meet after it, parts need no meeting point, and what one operation leaves is still in the cache for the next. What
comes out does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier
from typing import TypeVar

import torch

Part = TypeVar("Part")
Found = TypeVar("Found")


def each(work: Callable[[Part], Found], parts: Sequence[Part], is_threaded: bool = True) -> list[Found]:
    """`work` of each part, without gradients, in order. As many at a time as torch has threads in this thread."""
    threads = torch.get_num_threads()
    with torch.no_grad():
        if not is_threaded or threads == 1 or len(parts) == 1:
            return [work(part) for part in parts]

    def quietly(part: Part) -> Found:
        with torch.no_grad():
            return work(part)

    return list(_pool(threads).map(quietly, parts))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    met = Barrier(threads)
    pool = ThreadPoolExecutor(threads, "part", initializer=torch.set_num_threads, initargs=(1,))
    # All of them start now: the number that a thread sets is also what later ones of the process begin with.
    for done in [pool.submit(met.wait) for _ in range(threads)]:
        done.result()
    torch.set_num_threads(threads)
    return pool
