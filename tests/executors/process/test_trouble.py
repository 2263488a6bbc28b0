"""executors/process/trouble.py: exceptions and exit statuses as sentences and exit codes."""

from __future__ import annotations

import errno
import signal

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from executors.process.trouble import classify, of_exit_status


def chained(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AdvisorError("x", code=ExitCode.REFUSED), 8),
        (MemoryError(), 5),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), 5),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 5),
        (OSError(errno.ENOSPC, "No space left on device", "f"), 6),
        (OSError(errno.EROFS, "Read-only file system", "f"), 6),
        (PermissionError(errno.EACCES, "Permission denied", "f"), 6),
        (chained(RuntimeError("save failed"), OSError(errno.ENOSPC, "No space left on device")), 6),
        (Exception("Error while serializing: IoError(Os { code: 28, message: No space left on device })"), 6),
        (FileNotFoundError(errno.ENOENT, "No such file", "f"), 1),
        (ValueError("CUDA out of memory is only mentioned"), 1),
        (KeyError("x"), 1),
    ],
)
def test_exception_to_exit_code(error: Exception, code: int) -> None:
    """Each kind of trouble has its documented code, however deep it lies in the chain."""
    assert classify(error).exit_code == code


def test_torch_out_of_memory() -> None:
    """torch's own out-of-memory error is recognised by type, whatever it says."""
    torch = pytest.importorskip("torch")
    assert classify(torch.OutOfMemoryError("anything")).exit_code == 5


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (-signal.SIGKILL, "most often the host ran out of memory"),
        (-signal.SIGSEGV, "segmentation fault"),
        (-signal.SIGILL, "another processor"),
        (-signal.SIGUSR1, "SIGUSR1"),
        (-63, "signal 63"),
        (3, "never started (exit code 3)"),
    ],
)
def test_exit_status_to_sentence(status: int, words: str) -> None:
    """A silent death is a sentence with what it most often means."""
    found = of_exit_status(status, was_opened=False, memory="peak 3.10 GiB of 4.00 GiB")
    assert words in found.text
    assert found.because == "peak 3.10 GiB of 4.00 GiB"
    assert found.exit_code == 1


def test_certain_out_of_memory() -> None:
    """When the kernel counted an out-of-memory kill the sentence is certain and the code is 5."""
    found = of_exit_status(-9, was_opened=True, memory="", is_oom_certain=True)
    assert found.exit_code == 5
    assert "the kernel says" in found.text
