"""Tells the C allocator to keep freed blocks, or to give them back. It changes the whole process: for workers only.

By default glibc maps and unmaps every large activation anew, and the page faults take about half of a calibration
pass of a small model on a CPU; kept, the same pages serve every block. With large models it is the other way round:
what the heap keeps of each block adds up.
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


def give_back() -> bool:
    """Return freed memory to the system. False where the C library offers no such call, or had nothing to return."""
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (OSError, AttributeError):
        return False
