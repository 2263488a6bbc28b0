"""One training shared by several processes through torchrun, as one group that is told, heard and ended together.

The worker starts torchrun and waits; each process runs the same executor as a member. Member 0 speaks and writes, all
learn: gradients are averaged, so a step over the same rows is the step of one process. A wish to stop reaches member 0
and is agreed on after each step. Members end when torchrun ends, and torchrun is in the worker's process group.
Members on other machines are started there by `executors.training.joining`.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, ExitCode, Severity
from executors.protocol import Inputs, Say, Stopped
from executors.training.machines import Host, hosting, network_environment, torchrun_arguments

FOLDER, REQUEST, OUTCOME, STOP = "group", "request.json", "outcome.json", "stop"
POLL_SECONDS = 0.2


class Task(Frozen):
    """What every member is told."""

    executor: str
    config: dict[str, Any]
    inputs: Inputs
    out: str


def is_member() -> bool:
    """Whether this process is one of a group already."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def rank() -> int:
    """The number of this process in its group; 0 outside one."""
    return int(os.environ.get("RANK", "0"))


def machine() -> int:
    """The number of this machine among those that share the training; 0 on the one that runs the plan."""
    return int(os.environ.get("GROUP_RANK", "0")) if is_member() else 0


def size() -> int:
    """How many processes share the training of this one; 1 outside a group."""
    return int(os.environ["WORLD_SIZE"]) if is_member() else 1


def agreed(value: float) -> float:
    """What the first process of the group has for `value`; `value` itself outside a group.

    What decides whether a collective follows must be agreed on, or some processes wait in it for ever. Every process
    must ask at the same points.
    """
    import torch
    import torch.distributed as dist

    if size() == 1 or not dist.is_initialized():
        return value
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    shared = torch.tensor([value], dtype=torch.float64, device=device)
    dist.broadcast(shared, 0)
    return float(shared.item())


def share_batch(micro_batch: int, accumulation: int, processes: int) -> tuple[int, int]:
    """Micro-batch and accumulation of each process, so that all together take the same rows per step.

    One of the two is divided where that is possible, else the rows are, into the largest micro-batches up to the given.
    Raises AdvisorError when the rows cannot be shared evenly.
    """
    if micro_batch % processes == 0:
        return micro_batch // processes, accumulation
    if accumulation % processes == 0:
        return micro_batch, accumulation // processes
    rows, rest = divmod(micro_batch * accumulation, processes)
    if rest == 0:
        largest = next(size for size in range(min(micro_batch, rows), 0, -1) if rows % size == 0)
        return largest, rows // largest
    raise AdvisorError(
        f"{processes} processes cannot share {micro_batch} x {accumulation} rows evenly",
        hint="make micro_batch x accumulation a multiple of processes",
    )


def launch(executor: str, config: Any, inputs: Inputs, out: Path, say: Say) -> None:
    """Run the executor in `config.processes` processes, on `config.machines` machines, and wait for its end.

    Raises what the members raise, and AdvisorError when another machine does not come or is gone.
    """
    folder = Path(inputs.scratch) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for left in (folder / OUTCOME, folder / STOP, *folder.glob("said.*")):
        left.unlink(missing_ok=True)
    here = config.processes // config.machines
    threads = max(1, inputs.threads // here) if inputs.threads else None
    told = inputs.model_copy(update={"threads": threads})
    task = Task(executor=executor, config=config.model_dump(mode="json"), inputs=told, out=str(out))
    (folder / REQUEST).write_text(task.model_dump_json())
    with hosting(config, folder, inputs) as host:
        if host is not None:
            host.wait(say)
        code = _run(_arguments(config, host), threads, folder, say, host)
        lost = host.find_lost() if host is not None and _has_lost_contact(folder) else ""
        _end(folder, code, host, lost)


def _arguments(config: Any, host: Host | None) -> list[str]:
    """What torchrun is told."""
    if host is not None:
        return torchrun_arguments(host.opened, 0)
    return ["--standalone", "--max-restarts", "0", "--nproc-per-node", str(config.processes)]


def _run(arguments: list[str], threads: int | None, folder: Path, say: Say, host: Host | None) -> int:
    """Run this machine's members; the exit code of torchrun."""
    command = [sys.executable, "-P", "-m", "torch.distributed.run", *arguments]
    command += ["-m", "executors.training.member", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads or 1)}
    if host is not None:
        environment |= network_environment(host.opened.rendezvous)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment) as process:
        try:
            _pass_on(process, folder, say, host)
        finally:
            end(process)
    return process.returncode


def end(process: subprocess.Popen[bytes]) -> None:
    """End torchrun, and by it its members."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    process.kill()


def _pass_on(process: subprocess.Popen[bytes], folder: Path, say: Say, host: Host | None) -> None:
    """What member 0 says goes on as it comes; a wish to stop becomes a file. Returns early when a machine is gone."""
    assert process.stdout is not None
    reader = threading.Thread(target=_relay, args=(process.stdout, say), daemon=True)
    reader.start()
    while process.poll() is None:
        if say.should_stop():
            (folder / STOP).touch()
        if host is not None and host.lost():
            return
        time.sleep(POLL_SECONDS)
    reader.join(5)


def _relay(stream: Any, say: Say) -> None:
    for line in stream:
        try:
            event = json.loads(line)
            kind = event["type"]
        except (ValueError, KeyError, TypeError):
            continue
        if kind == "step.progress":
            say.progress(event["done"] or 0, event["total"], event["unit"], event["what"])
        elif kind == "metric.reported" and event["value"] is not None:
            say.metric(event["name"], event["value"], event["unit"], event["at"])
        elif kind == "diagnostic.raised":
            severity = Severity(event["severity"])
            say.diagnostic(severity, event["code"], event["text"], event["because"], event["hint"])
        elif kind == "log.written":
            say.log(event["text"])


def outcome(folder: Path) -> dict[str, Any]:
    """What the members left word of; empty when they said nothing."""
    try:
        found: dict[str, Any] = json.loads((folder / OUTCOME).read_text())
    except (OSError, ValueError):
        return {}
    return found


def _has_lost_contact(folder: Path) -> bool:
    """Whether all that is known is that members do not hear each other any more."""
    return not (found := outcome(folder)) or bool(found.get("has_lost_contact"))


def _end(folder: Path, code: int, host: Host | None, lost: str) -> None:
    """Raise what the group ended with. `lost`: which machine is gone."""
    silent = {"status": "failed", "what": f"a process of the group ended with {code} and said nothing"}
    found: dict[str, Any] = outcome(folder) or silent
    if host is not None and (found is silent or found.get("has_lost_contact")):
        raise host.failure(lost, found["what"])
    if found["status"] == "stopped":
        raise Stopped(found.get("what", ""))
    if found["status"] != "done":
        known = {int(word): word for word in ExitCode}
        raise AdvisorError(
            found["what"],
            why=found.get("why", ""),
            hint=found.get("hint", ""),
            code=known.get(found.get("code", 1), ExitCode.RUN_FAILED),
        )


def check_wrapping(trainer: Any, say: Say, sharding: str = "ddp") -> None:
    """Say what really wraps the model, and warn where it is not what was asked for.

    On the CPU the Trainer wraps in DistributedDataParallel whatever was asked for, without a word.
    """
    from torch.distributed.fsdp import FSDPModule

    from executors.training.sharding import SPREAD

    wrapper, processes = trainer.model_wrapped, trainer.accelerator.num_processes
    found = "FSDPModule" if isinstance(wrapper, FSDPModule) else type(wrapper).__name__
    say.log(f"the model is wrapped by {found} in {processes} processes")
    if sharding != "ddp":
        _tell_held(trainer, say, sharding in SPREAD)
    if found != ("FSDPModule" if sharding in SPREAD else "DistributedDataParallel"):
        text = f"the model was to be shared by {sharding} and is wrapped by {found}"
        say.diagnostic(Severity.WARNING, "other-wrapping", text)


def _tell_held(trainer: Any, say: Say, is_spread: bool) -> None:
    """Say what this process holds, as shares of the whole: between the steps, in them, and of the optimizer's state."""
    from executors.training.optimizer import held_state_share
    from executors.training.sharding import held_share

    share = held_share(trainer.model.parameters())
    say.metric("held_share", share, "share")
    say.log(f"each process holds {share:.0%} of the parameters")
    in_step, gradients = (trainer.held_in_step, trainer.held_gradients) if is_spread else (None, None)
    if in_step is not None and gradients is not None:
        say.metric("held_in_step_share", in_step, "share")
        say.metric("held_gradient_share", gradients, "share")
        say.log(f"between forward and backward pass {in_step:.0%}, and {gradients:.0%} of the gradients after them")
    state = held_state_share(trainer.optimizer)
    if state is not None:
        say.metric("held_optimizer_share", state, "share")
        say.log(f"each process holds {state:.0%} of the optimizer's masters and states")
