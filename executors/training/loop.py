"""Runs a training to its end through interruptions and shortage of memory. Knows nothing of what is trained.

A kind of training (supervised, preferences, ...) gives a function that builds its trainer for a micro-batch and an
accumulation; everything else is here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, ExitCode, Severity
from executors.artifact import Manifest
from executors.protocol import Say, Stopped
from executors.training.best import restore_best, save_best
from executors.training.checkpoint import Found, find_newest, read_history
from executors.training.group import agreed, machine, rank, size
from executors.training.memory import RETRIES, is_out_of_memory, release, smaller
from executors.training.reporter import Reporter
from executors.training.sharding import is_divided


@dataclasses.dataclass(frozen=True)
class Training:
    """One training. `build(micro_batch, accumulation)` gives a fresh trainer made by `engine.make_class`.

    `about.config` holds what decides the result; a checkpoint made from anything else is refused.
    """

    build: Callable[[int, int], Any]
    reporter: Reporter
    root: Path
    """Folder of the checkpoints."""
    about: Manifest
    micro_batch: int
    accumulation: int
    keep_best: bool = False
    """End with the weights of the best measurement on held-out data."""


def keep_threads(root: Path, threads: int | None) -> int:
    """Set torch's CPU threads to those of the checkpoint, since results depend on them, else to `threads`."""
    import torch

    found = find_newest(root)
    kept = found.manifest.threads if found.manifest else None
    # A checkpoint knows the threads of the first machine; another one that shares the training goes by its own cores.
    chosen = threads if machine() else kept or threads
    if chosen:
        torch.set_num_threads(chosen)
    return kept if machine() and kept else int(torch.get_num_threads())


def train(training: Training, say: Say) -> Any:
    """Train to the end and return the trainer.

    Raises Stopped once a requested stop has been saved, AdvisorError when memory is short after every retry, when a
    number is not finite, or when the checkpoints belong to another training.
    """
    micro, accumulation = training.micro_batch, training.accumulation
    for attempt in range(RETRIES + 1):
        found = _newest(training, say)
        try:
            trainer = _attempt(training, found, micro, accumulation)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error).splitlines()[0]
        else:
            if training.reporter.is_stopped:
                raise Stopped(f"stopped after step {trainer.state.global_step}")
            if _takes_part(trainer):
                _end_with_best(training, trainer, say)
            return trainer
        # Outside the handler: the exception would keep the failed attempt's tensors alive.
        release()
        # One process of a group cannot begin again alone: the others would wait for it for ever.
        retry = smaller(micro, accumulation) if size() == 1 else None
        if retry is None or attempt == RETRIES:
            break
        micro, accumulation = retry
        say.diagnostic(
            Severity.WARNING,
            "out-of-memory-retry",
            f"memory was short; going on with a micro-batch of {micro} and {accumulation} accumulation steps",
            reason,
            "the effective batch and so the result stay the same",
        )
    raise _too_little(micro, reason)


def _too_little(micro: int, reason: str) -> AdvisorError:
    """Memory that did not suffice, with ranked fixes."""
    fixes = "set gradient_checkpointing: true, lower seq_len, use method qlora, or take a smaller model"
    is_alone = size() == 1
    return AdvisorError(
        f"not enough memory to train, {'even ' if is_alone else ''}with a micro-batch of {micro}",
        why=reason,
        hint=fixes if is_alone else f"lower micro_batch and raise accumulation, {fixes}",
        code=ExitCode.OUT_OF_MEMORY,
    )


def _attempt(training: Training, found: Found, micro_batch: int, accumulation: int) -> Any:
    """One training from the checkpoint that was found, or from the start; its trainer."""
    trainer = training.build(micro_batch, accumulation)
    reporter = training.reporter
    if agreed(found.step) != found.step:
        # A network file system may still show an older state of the folder.
        text = f"the newest checkpoint seen here is of step {found.step}, and another one on the first machine"
        raise AdvisorError(text, hint="wait a minute, then: advisor resume", code=ExitCode.RUN_FAILED)
    trainer.root, trainer.about, trainer.reporter = training.root, training.about, reporter
    reporter.history = read_history(found.folder) if found.folder else []
    if training.keep_best and _takes_part(trainer):
        reporter.keep = lambda step: save_best(training.root, step, trainer, training.about)
    if found.folder and reporter.is_over_early:
        trainer.args.max_steps = found.step  # it had ended: nothing is left but to load it
    trainer.train(resume_from_checkpoint=str(found.folder) if found.folder else None)
    return trainer


def _takes_part(trainer: Any) -> bool:
    """Whether this process keeps weights: the first of a group, and each where every one holds a part."""
    return rank() == 0 or is_divided(trainer)


def _end_with_best(training: Training, trainer: Any, say: Say) -> None:
    """Put the best weights back when they are not the last ones, and say what came of steering by held-out data."""
    reporter, last = training.reporter, trainer.state.global_step
    if reporter.is_over_early:
        say.log(f"stopped early after step {last}: {reporter.patience} measurements brought no new best")
    best = reporter.best_step
    if best is None:
        return
    if training.keep_best and best != last:
        trouble = restore_best(training.root, best, trainer)
        if trouble:
            text = f"the best weights, of step {best}, could not be put back; the last ones are kept"
            say.diagnostic(Severity.WARNING, "best-lost", text, trouble)
        else:
            say.log(f"ended with the weights of step {best}, the best on held-out data")
        say.metric("best_step", best if not trouble else last)
    begun = dict(reporter.history).get(0)
    if begun is not None and dict(reporter.history)[best] > begun:
        text = "on held-out data the training made the model worse than it was"
        say.diagnostic(Severity.WARNING, "worse-than-before", text, hint="lower learning_rate, or give more data")


def _newest(training: Training, say: Say) -> Found:
    found = find_newest(training.root)
    for name, reason in found.skipped.items():
        text = f"the checkpoint {name} was passed over"
        say.diagnostic(Severity.WARNING, "checkpoint-skipped", text, reason, "training goes on from an older one")
    if found.folder is None or found.manifest is None:
        return found
    before, now = found.manifest, training.about
    pairs = [(key, before.config.get(key), value) for key, value in now.config.items()]
    pairs += [(name, before.versions.get(name), value) for name, value in now.versions.items()]
    pairs += [("seed", before.seed, now.seed), ("threads", before.threads, now.threads)]
    changed = [f"{key} was {old!r} and is {new!r}" for key, old, new in pairs if old != new]
    if changed:
        raise AdvisorError(
            "the training cannot go on from its checkpoints",
            why="what decides its result has changed: " + "; ".join(changed),
            hint=f"undo the change, or remove {training.root} to begin again",
            code=ExitCode.REFUSED,
        )
    say.log(f"going on after step {found.step}")
    return found
