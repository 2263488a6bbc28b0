"""Runs one training at a provider. What was begun there is written down before anything else, and gone on with."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, ExitCode, Severity
from executors.artifact import write_durably
from executors.protocol import Inputs, Say, Stopped
from executors.provider.config import ADDRESSES, Config
from executors.provider.convert import Converted, checked, write

STATE, RESULT, INSTRUCTIONS = "job.json", "remote-model.json", "INSTRUCTIONS.md"
MARK = "advisor_run"
"""Key in the job's metadata by which a job is found again that was begun just before a crash."""
ENDED = {"succeeded", "failed", "cancelled", "completed", "error"}
GOOD = {"succeeded", "completed"}


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Leave the tuned model's name below `out`; for Claude the data and what to do with it.

    A step that is run again follows the job it began. Raises AdvisorError when the provider refuses or fails, Stopped
    when asked to stop: the job goes on at the provider, and `advisor resume` follows it.
    """
    found = checked(config.data)
    tokens = found.tokens * config.epochs
    _tell_cost(config, tokens, say)
    files = (Path(inputs.scratch or out) / "train.jsonl", Path(inputs.scratch or out) / "validation.jsonl")
    for file, records in zip(files, (found.train, found.held_out), strict=True):
        write(records, file)
    if config.provider == "claude":
        _leave_instructions(config, inputs, found, tokens, out)
        text = "nothing was trained: the data for it was written, and a text about what to do with it"
        because = "fine-tuning Claude is arranged with Anthropic; there is no interface that starts it"
        say.diagnostic(Severity.WARNING, "not-trained", text, because, f"follow {INSTRUCTIONS} in the step's result")
        return
    client, state = _client(config), _State(Path(inputs.scratch) / STATE)
    mark = _mark(config, inputs, files)
    try:
        job = _job(client, config, inputs, files, state, mark, say)
        ended = _follow(client, job, config, say)
    except (AdvisorError, Stopped):
        raise
    except Exception as error:
        raise _refused(error, config) from None
    text = "the tuned model stays at the provider and is not measured here"
    say.diagnostic(Severity.INFO, "not-measured", text)
    write_durably(out / RESULT, json.dumps(_result(config, inputs, ended, tokens), indent=2).encode() + b"\n")


class _State:
    """What was begun at the provider: file ids and the job's id. Written before anything is built on it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.known: dict[str, str] = json.loads(file.read_text()) if file.is_file() else {}

    def keep(self, **values: str) -> None:
        self.known |= values
        write_durably(self._file, json.dumps(self.known).encode())


def _tell_cost(config: Config, tokens: int, say: Say) -> None:
    say.metric("billed_tokens", tokens, "tokens")
    if config.usd_per_million_tokens is None:
        say.log(f"about {tokens:,} tokens in {config.epochs} epochs; no price was given (usd_per_million_tokens)")
        return
    cost = tokens / 1e6 * config.usd_per_million_tokens
    say.metric("estimated_cost", cost, "USD")
    say.log(f"about {tokens:,} tokens in {config.epochs} epochs: {cost:.2f} USD")
    if config.most_usd is not None and cost > config.most_usd:
        why = f"it would cost about {cost:.2f} USD, and most_usd is {config.most_usd:.2f}"
        raise AdvisorError("nothing was uploaded", why=why, code=ExitCode.REFUSED)


def _client(config: Config) -> Any:
    import openai

    address = config.base_url or ADDRESSES[config.provider]
    return openai.OpenAI(api_key=os.environ.get(config.key_variable, ""), base_url=address, max_retries=2, timeout=60)


def _mark(config: Config, inputs: Inputs, files: tuple[Path, Path]) -> str:
    digest = hashlib.sha256(f"{config.model_dump_json()}{inputs.path('model')}{inputs.seed}".encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


def _job(
    client: Any, config: Config, inputs: Inputs, files: tuple[Path, Path], state: _State, mark: str, say: Say
) -> str:
    """The id of the job: the one that was begun, or a new one."""
    if "job" in state.known:
        say.log(f"following job {state.known['job']}")
        return state.known["job"]
    for job in client.fine_tuning.jobs.list(limit=50).data:
        if (getattr(job, "metadata", None) or {}).get(MARK) == mark:
            state.keep(job=job.id)
            say.log(f"found job {job.id}, begun before an interruption")
            return str(job.id)
    for name, file in zip(("training", "validation"), files, strict=True):
        if name not in state.known:
            say.progress(0, None, "bytes", f"uploading {name} data")
            with file.open("rb") as stream:
                state.keep(**{name: client.files.create(file=stream, purpose="fine-tune").id})
    extra = {"suffix": config.suffix} if config.suffix else {}
    # Not retried: an answer that was lost would leave two jobs. The mark finds the first again.
    job = client.with_options(max_retries=0).fine_tuning.jobs.create(
        model=inputs.path("model").removeprefix("openai/"),
        training_file=state.known["training"],
        validation_file=state.known["validation"],
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": config.epochs}}},
        seed=inputs.seed,
        metadata={MARK: mark},
        **extra,
    )
    state.keep(job=job.id)
    say.log(f"started job {job.id}")
    return str(job.id)


def _follow(client: Any, job_id: str, config: Config, say: Say) -> Any:
    """The job once it has ended well. Its events and losses are passed on."""
    seen: set[str] = set()
    while True:
        job = client.fine_tuning.jobs.retrieve(job_id)
        for event in reversed(client.fine_tuning.jobs.list_events(job_id, limit=50).data):
            if event.id not in seen:
                seen.add(event.id)
                _tell(event, say)
        if job.status in ENDED:
            break
        deadline = time.monotonic() + config.poll_seconds
        while time.monotonic() < deadline:
            if say.should_stop():
                raise Stopped(f"job {job_id} goes on at the provider; resume follows it")
            time.sleep(min(0.2, config.poll_seconds))
    if job.status not in GOOD:
        why = getattr(getattr(job, "error", None), "message", "") or ""
        raise AdvisorError(f"job {job_id} ended as {job.status}", why=why, code=ExitCode.RUN_FAILED)
    return job


def _tell(event: Any, say: Say) -> None:
    data = getattr(event, "data", None)
    values = data if isinstance(data, dict) else {}
    step = values.get("step")
    for theirs, ours in (("train_loss", "loss"), ("valid_loss", "held_out_loss")):
        if isinstance(values.get(theirs), int | float):
            say.metric(ours, values[theirs], "nats/token", step)
    if isinstance(step, int):
        say.progress(step, values.get("total_steps"), "steps", "training at the provider")
    say.log(str(event.message))


def _result(config: Config, inputs: Inputs, job: Any, tokens: int) -> dict[str, Any]:
    return {
        "provider": config.provider,
        "base_url": config.base_url or ADDRESSES[config.provider],
        "base_model": inputs.path("model"),
        "model": job.fine_tuned_model,
        "job": job.id,
        "estimated_tokens": tokens,
        "trained_tokens": getattr(job, "trained_tokens", None),
    }


def _refused(error: Exception, config: Config) -> AdvisorError:
    """What the client raised, without the key that some servers repeat."""
    key = os.environ.get(config.key_variable, "") or "\0"
    why = str(error).splitlines()[0][:300].replace(key, "***") if str(error) else type(error).__name__
    return AdvisorError(f"{config.provider} refused or could not be reached", why=why, code=ExitCode.RUN_FAILED)


def _leave_instructions(config: Config, inputs: Inputs, found: Converted, tokens: int, out: Path) -> None:
    write(found.train, out / "train.jsonl")
    write(found.held_out, out / "validation.jsonl")
    text = f"""# Fine-tuning Claude

Fine-tuning {inputs.path("model")} is arranged with Anthropic and not offered here by an interface: contact your account
team, or use the fine-tuning of Claude models on a cloud platform that offers it.

- `train.jsonl`: {len(found.train)} conversations, `validation.jsonl`: {len(found.held_out)}; one JSON object per line
  with `messages` (roles system, user, assistant).
- About {tokens:,} tokens in {config.epochs} epochs (four bytes counted as a token).
- Some platforms want the system prompt beside the messages, under the key `system`.
- Measure the tuned model on `validation.jsonl`, which must not be trained on.
"""
    (out / INSTRUCTIONS).write_text(text, encoding="utf-8")
