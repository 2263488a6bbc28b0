"""From an exception or an exit status to a sentence, a hint and the documented exit code."""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from advisor.domain.errors import AdvisorError, ExitCode

STOPPED = int(ExitCode.TERMINATED)
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = ("No space left on device", "os error 28", "Disk quota exceeded")
_OUT_OF_MEMORY = ("can't allocate memory", "CUDA out of memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED")
_SIGNALS: dict[int, str] = {
    signal.SIGSEGV: "a native library crashed (segmentation fault)",
    signal.SIGBUS: "a mapped file was cut short or the disk is full (bus error)",
    signal.SIGILL: "a library was built for another processor (illegal instruction)",
    signal.SIGABRT: "a native library gave up (abort)",
    signal.SIGFPE: "a native library divided by zero",
    signal.SIGTERM: "it was terminated from outside",
}


@dataclass(frozen=True)
class Trouble:
    """Why a piece of work ended early."""

    exit_code: int
    code: str
    text: str
    because: str = ""
    hint: str = ""


def classify(error: BaseException) -> Trouble:
    """What `error`, or anything it came from, means to a person."""
    if isinstance(error, AdvisorError):
        code = "bad-input" if error.code == ExitCode.BAD_INPUT else error.code.name.lower().replace("_", "-")
        return Trouble(int(error.code), code, error.what, error.why, error.hint)
    chain = list(_chain(error))
    for link in chain:
        if (isinstance(link, OSError) and link.errno in _DISK_ERRORS) or any(word in str(link) for word in _FULL):
            return disk_trouble(link)
    for link in chain:
        if _is_out_of_memory(link):
            return Trouble(
                int(ExitCode.OUT_OF_MEMORY),
                "out-of-memory",
                "out of memory",
                " ".join(str(link).split())[:200] or type(link).__name__,
                "smaller micro_batch or seq_len, gradient_checkpointing: true, or qlora instead of lora",
            )
    said = " ".join(str(error).split())[:300]
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return Trouble(int(ExitCode.RUN_FAILED), "worker-failed", text, hint="the step's output.log has the details")


def disk_trouble(error: BaseException) -> Trouble:
    """A full disk, or a place that may not be written."""
    place = getattr(error, "filename", None) or ""
    number = getattr(error, "errno", None)
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "make it writable, or choose another --run-dir; then: advisor resume"
        return Trouble(int(ExitCode.DISK), "not-writable", f"{place or 'a file'} may not be written", str(error), hint)
    hint = "free some space, then: advisor resume"
    return Trouble(int(ExitCode.DISK), "disk-full", "the disk is full", str(error)[:200], hint)


def of_exit_status(status: int, was_opened: bool, memory: str, is_oom_certain: bool = False) -> Trouble:
    """Why a worker died that did not say so itself.

    `status` is negative for a signal; `memory` says peak and limit, e.g. `peak 3.1 GiB of 4.0 GiB`.
    """
    hint = "the step's output.log has its last words"
    if status == -signal.SIGKILL:
        cause = "the kernel says: out of memory" if is_oom_certain else "most often the host ran out of memory"
        code = ExitCode.OUT_OF_MEMORY if is_oom_certain else ExitCode.RUN_FAILED
        hint = "close other programs, or take a smaller micro_batch or seq_len; then: advisor resume"
        return Trouble(int(code), "worker-killed", f"the worker was killed by signal 9: {cause}", memory, hint)
    if status < 0:
        name = {number.value: f" ({number.name})" for number in signal.Signals}.get(-status, "")
        meaning = _SIGNALS.get(-status, "")
        text = f"the worker died of signal {-status}{name}"
        return Trouble(int(ExitCode.RUN_FAILED), "worker-crashed", f"{text}: {meaning}".rstrip(": "), memory, hint)
    text = f"the worker {'ended without a word' if was_opened else 'never started'} (exit code {status})"
    return Trouble(int(ExitCode.RUN_FAILED), "worker-lost", text, memory, hint)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_out_of_memory(error: BaseException) -> bool:
    torch = sys.modules.get("torch")
    kind = getattr(torch, "OutOfMemoryError", None)
    if isinstance(error, MemoryError) or (isinstance(kind, type) and isinstance(error, kind)):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _OUT_OF_MEMORY)
