"""Tells the C allocator to keep and reuse large blocks, for work that allocates the same sizes over and over.

By default glibc maps and unmaps every large activation anew, and the page faults take about half of a calibration
pass on a CPU. It changes the whole process, so only a worker calls it.
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def reuse_large_blocks() -> bool:
    """Serve large allocations from the heap and keep it. False where the C library offers no such choice."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))
