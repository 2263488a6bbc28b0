"""What each technique of training gains on held-out data of its own kind, with 95 % intervals, on the built-in model.

`python -m tests.bench.adaptation NAME ...` prints the rows named. With ADAPTATION_KEEP set to a folder, a row that was
measured before is read from it, so that a long table can be made in pieces. A row is one entry of `ROWS`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.child import Metrics
from tests.bench.tries import TRIES

MODEL = "builtin:smollm2-135m-instruct"
EXAMPLES, JUDGED = 40, 120
"""Held-out rows that are measured before and after; of judged answers more, since a share needs them."""
REQUESTS = 64
"""Held-out requests that are to be refused, and as many that are not: four wordings of each subject."""
SEQ_LEN = 256
THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))
_PLAIN = {"seq_len": SEQ_LEN, "micro_batch": 8, "eval_steps": 1000}
_SUPERVISED = ("held_out_loss", "general_loss")


@dataclass(frozen=True)
class Trained:
    """One technique: its stages as (executor, role of what it leaves, settings), and the measures it is judged by."""

    stages: tuple[tuple[str, str, dict[str, Any]], ...]
    kind: str
    measures: tuple[str, ...]
    evaluation: dict[str, Any] = field(default_factory=dict)
    measured_on: str = ""
    """The role whose artifact is the data of the evaluation; empty: the built-in data of `kind`."""
    made: str = "preferences"
    """The kind of the data that an earlier stage leaves for the next."""
    reward_by: str = ""
    """The role of the reward model that scores greedy answers to held-out prompts."""
    examples: int = EXAMPLES


def supervised(method: str, rate: float, steps: int = 24, **changes: Any) -> Trained:
    """An adapter or a whole model trained on instructions."""
    settings = {"method": method, "learning_rate": rate, "max_steps": steps, **changes}
    return Trained((("finetune", "adapter", settings),), "instructions", _SUPERVISED)


def preferring(objective: str, kind: str, measures: tuple[str, ...], steps: int = 32, **changes: Any) -> Trained:
    """DPO, ORPO or KTO through LoRA."""
    settings = {"objective": objective, "learning_rate": 5e-4, "max_steps": steps, **changes}
    return Trained((("align", "adapter", settings),), kind, measures, examples=JUDGED)


_POLICY = {"generations": 8, "micro_batch": 16, "learning_rate": 1e-4, "eval_steps": 1000}
_GRPO = {
    **_POLICY, "objective": "grpo", "micro_batch": 48, "answer_tokens": 32, "max_steps": 24, "learning_rate": 5e-4,
    "temperature": 1.0, "beta": 0.01,
}  # fmt: skip
"""Six prompts a step: with two, most steps follow chance."""
_RLHF = (
    ("finetune", "adapter", {"learning_rate": 5e-4, "max_steps": 16}),
    ("align.reward", "reward-model", {"learning_rate": 2e-4, "max_steps": 24}),
    ("align.policy", "adapter", {**_POLICY, "objective": "rloo", "answer_tokens": 24, "max_steps": 12}),
)
_FULL_RLHF = tuple(
    (executor, "model" if role == "adapter" else role, {**settings, "method": "full", "learning_rate": rate})
    for (executor, role, settings), rate in zip(_RLHF, (2e-5, 1e-5, 1e-5), strict=True)
)
ROWS: dict[str, Trained] = {
    "lora": supervised("lora", 1e-3),
    "dora": supervised("dora", 1e-3),
    "qlora": supervised("qlora", 1e-3),
    "ia3": supervised("ia3", 5e-3),
    "bottleneck-adapter": supervised("bottleneck", 1e-3, rank=64),
    "prompt-tuning": supervised("prompt-tuning", 3e-2),
    "prefix-tuning": supervised("prefix-tuning", 1e-3),
    "p-tuning-v2": supervised("p-tuning-v2", 1e-2),
    "full-sft": Trained(
        (("finetune", "model", {"method": "full", "learning_rate": 2e-5, "max_steps": 24}),),
        "instructions",
        _SUPERVISED,
    ),
    "dpo": preferring("dpo", "preferences", ("preference_margin", "preference_accuracy", "whole_margin")),
    "orpo": preferring("orpo", "preferences", ("preference_margin", "preference_accuracy", "whole_margin")),
    "kto": preferring("kto", "feedback", ("feedback_margin", "feedback_accuracy")),
    "grpo": Trained(
        (("align.policy", "adapter", _GRPO),),
        "rewards",
        ("mean_reward",),
        {"rewards": JUDGED},
        examples=JUDGED,
    ),
    "rlhf": Trained(_RLHF, "preferences", ("learned_reward", "preference_margin"), reward_by="reward-model"),
    "full-rlhf": Trained(
        _FULL_RLHF,
        "preferences",
        ("learned_reward", "preference_margin"),
        reward_by="reward-model",
        examples=JUDGED,
    ),
    "rlaif": Trained(
        (
            ("align.feedback", "data", {"prompts": 192, "answer_tokens": 32}),
            ("align", "adapter", {"objective": "dpo", "learning_rate": 5e-4, "max_steps": 32}),
        ),
        "instructions",
        ("preference_margin", "preference_accuracy"),
        measured_on="data",
    ),
    "synthetic-data": Trained(
        (
            ("data.synthesize", "data", {"rows": 64, "answer_tokens": 96}),
            ("finetune", "adapter", {"learning_rate": 1e-3, "max_steps": 24}),
        ),
        "instructions",
        _SUPERVISED,
        made="instructions",
    ),
    "safety-sft": Trained(
        (("align.safety", "adapter", {"learning_rate": 5e-4, "max_steps": 240, "guard_share": 0.7}),),
        "instructions",
        ("refusal_rate", "over_refusal", "held_out_loss"),
        {"safety": REQUESTS},
    ),
}


def measure_row(name: str, folder: Path) -> dict[str, Any]:
    """Run a technique and measure before and after; what is printed of it, as plain values."""
    from advisor.runs.compare import compare

    row, say, begun = ROWS[name], Metrics(), time.perf_counter()
    roles: dict[str, str] = {"model": MODEL}
    for number in range(len(row.stages)):
        _run_stage(row, number, roles, folder, say)
    seconds = time.perf_counter() - begun
    before = _evaluate(row, {"model": MODEL}, roles, folder)
    after = _evaluate(row, {k: v for k, v in roles.items() if k in ("model", "adapter")}, roles, folder)
    found = {c.metric: c for c in compare(before, after) if c.metric in row.measures}
    share = say.found.get("kept_share", say.found.get("trained_share"))
    return {
        "name": name,
        "seconds": seconds,
        "share": share,
        "measures": [found[m].model_dump(mode="json") for m in row.measures if m in found],
    }


def _run_stage(row: Trained, number: int, roles: dict[str, str], folder: Path, say: Metrics) -> None:
    """Run a stage below `folder`; what it leaves takes its role."""
    from executors.datasets.files import MANIFEST
    from executors.process.resolve import configure, resolve
    from executors.protocol import Input, Inputs, Machine

    executor, role, settings = row.stages[number]
    out, scratch = folder / f"{number}-{role}", folder / f"scratch-{number}"
    given = {"data": {"path": "builtin:stdlib", "kind": row.kind}, **({} if role == "data" else _PLAIN)}
    if "data" in roles:
        given["data"] = {"path": roles["data"], "kind": row.made}
    module = resolve(executor)
    config = configure(module, executor, {**given, **settings})
    out.mkdir()
    if role == "data":
        # As a run marks what it prepared.
        (out / MANIFEST).write_text("{}")
    scratch.mkdir()
    kinds = {"adapter": "adapter", "reward-model": "reward-model", "data": "dataset"}
    inputs = Inputs(
        roles={name: Input(kind=kinds.get(name, "causal-lm"), path=path) for name, path in roles.items()},
        threads=THREADS, scratch=str(scratch),
    )  # fmt: skip
    refused = [d for d in module.preflight(config, inputs, Machine()) if d.severity == "danger"]
    assert not refused, refused
    module.run(config, inputs, out, say)
    roles[role] = str(out)


def _evaluate(row: Trained, model: dict[str, str], roles: dict[str, str], folder: Path) -> Any:
    from advisor.domain.run import Evaluation
    from executors import evaluate
    from executors.protocol import Input, Inputs

    data = {"path": "builtin:stdlib", "kind": row.kind}
    if row.measured_on:
        data = {"path": roles[row.measured_on], "kind": "preferences"}
    general = {"path": "builtin:reference", "kind": "text", "max_examples": 12}
    config = evaluate.Config.model_validate(
        {"data": data, "max_examples": row.examples, "seq_len": SEQ_LEN, "multiple_choice": 0, "generate_tokens": 0,
         "probes": {"general": general}, **row.evaluation}
    )  # fmt: skip
    given = {role: Input(kind="adapter" if role == "adapter" else "causal-lm", path=p) for role, p in model.items()}
    evaluate.run(config, Inputs(roles=given, threads=THREADS), folder, Metrics())
    found = Evaluation.model_validate_json((folder / "evaluation.json").read_bytes())
    return _with_reward(found, given, roles[row.reward_by], row.examples) if row.reward_by else found


def _with_reward(found: Any, given: dict[str, Any], reward_model: str, examples: int) -> Any:
    """The evaluation with what a reward model gives greedy answers to so many held-out prompts."""
    from advisor.domain.plan import DataSpec
    from executors.align.policy import _asked, _score_by_model
    from executors.datasets import load
    from executors.evaluate.judged import add
    from executors.metrics.generate import complete
    from executors.models.load import load_model

    adapter = given["adapter"].path if "adapter" in given else None
    loaded = load_model("causal-lm", given["model"].path, adapter=adapter)
    rows = load(DataSpec(path="builtin:stdlib", kind="preferences"), "held-out")
    prompts = [row["prompt"] for row in _asked(rows, loaded.tokenizer, SEQ_LEN)][:examples]
    blank = [""] * len(prompts)
    answers = complete(loaded, prompts, 32)
    return add(found, "learned_reward", "", True, _score_by_model(reward_model)(prompts, answers, blank, blank))


def _in_process(name: str) -> None:
    """Measure one row in a process of its own, so that its memory is released, and leave it as JSON."""
    folder = Path(tempfile.mkdtemp(prefix="adaptation-"))
    try:
        row = measure_row(name, folder)
        _kept(name).write_text(json.dumps(row))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _kept(name: str) -> Path:
    place = Path(os.environ["ADAPTATION_KEEP"])
    place.mkdir(parents=True, exist_ok=True)
    return place / f"{name}.json"


def _print(rows: Sequence[dict[str, Any]]) -> None:
    print(f"{MODEL}, data builtin:stdlib, {EXAMPLES} held-out rows ({JUDGED} for dpo, orpo, kto, grpo and "
          f"full-rlhf), paired bootstrap. Refusals: {REQUESTS} requests of each kind, four wordings of a subject, so "
          "that the intervals are narrower than those of as many subjects would be.")  # fmt: skip
    print()
    print("| technique | measure | before | after | change | 95 % interval | share kept |")
    print("| --- | --- | ---: | ---: | ---: | --- | ---: |")
    for row in rows:
        share = "-" if row["share"] is None else f"{row['share']:.3%}"
        for number, found in enumerate(row["measures"]):
            change = found["difference"]
            show = (lambda v: f"{v:+.1%}") if found["is_relative"] else (lambda v: f"{v:+.3f}")
            interval = f"{show(change['low'])} to {show(change['high'])}"
            title = row["name"] if number == 0 else ""
            print(f"| {title} | {found['metric'].replace('_', ' ')} | {found['before']:.4g} | {found['after']:.4g} | "
                  f"{show(change['expected'])} | {interval} | {share if number == 0 else ''} |")  # fmt: skip


def run(names: Sequence[str] = ()) -> None:
    """Print the table of the techniques named; of all without a name."""
    with tempfile.TemporaryDirectory() as place:
        os.environ.setdefault("ADAPTATION_KEEP", place)
        chosen = list(names) or os.environ.get("ADAPTATION_ROWS", "").split() or list(ROWS)
        for name in chosen:
            if not _kept(name).is_file():
                process = multiprocessing.get_context("spawn").Process(target=_in_process, args=(name,))
                process.start()
                process.join()
        rows = [json.loads(_kept(name).read_text()) for name in chosen if _kept(name).is_file()]
        _print(rows)
        print(f"\n{TRIES}")
        others = [name for name in ROWS if name not in chosen]
        if others and not names:
            print(f"\nNot measured here: {', '.join(others)}.")
        missing = [name for name in chosen if not _kept(name).is_file()]
        if missing:
            print(f"\nNot measured, since they failed: {', '.join(missing)}.")


if __name__ == "__main__":
    run(sys.argv[1:])
