"""LoRA on the built-in model against TRL's SFTTrainer at its defaults: tokens per second, and the loss both end with.

Both train on the same sequences of 256 tokens in the same order, with the same rank, learning rate, schedule and batch;
all else is as each does it by itself. Each run is a process of its own, own and peer in turn. A step counts from the
beginning of the second to that of the last one, checkpoints and reports between them included. Held-out loss is
measured by one program. TRAINING_SPEED_STEPS, _BATCH and _RUNS make it shorter.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.limits import BLOCKS, INNER, KV, VOCABULARY, WIDTH, measure

MODEL = "builtin:smollm2-135m-instruct"
LENGTH, RANK, RATE = 256, 16, 2e-4
BATCH = int(os.environ.get("TRAINING_SPEED_BATCH", "8"))
STEPS = int(os.environ.get("TRAINING_SPEED_STEPS", "200"))
RUNS = int(os.environ.get("TRAINING_SPEED_RUNS", "3"))
THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))
HELD_OUT = 48
ARMS = ("own", "TRL")


def run() -> None:
    """Print tokens per second of each, their ratio, the held-out loss of each, and what no program can pass."""
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for _ in range(RUNS):
        for arm in ARMS:
            found[arm].append(_measured(arm))
            print(arm, found[arm][-1]["rate"], found[arm][-1]["loss"], file=sys.stderr, flush=True)
    print(f"{STEPS} steps of {BATCH} x {LENGTH} tokens, all labelled, LoRA of rank {RANK}, {THREADS} threads.\n")
    print(f"| trainer | tokens/s (median of {RUNS}) | slowest | fastest | held-out loss | cores used |")
    print("| --- " * 6 + "|")
    for arm in ARMS:
        rates = [one["rate"] for one in found[arm]]
        loss = statistics.median(one["loss"] for one in found[arm])
        print(f"| {arm} | {statistics.median(rates):.0f} | {min(rates):.0f} | {max(rates):.0f} | {loss:.4f} "
              f"| {statistics.median(one['cores'] for one in found[arm]):.2f} |")  # fmt: skip
    begun = found["own"][0]["before"]
    limit = measure().flops / _operations()
    print(f"| no program | {limit:.0f} | | | | |\n")
    ratios = [own["rate"] / peer["rate"] for own, peer in zip(found["own"], found["TRL"], strict=True)]
    losses = [own["loss"] / peer["loss"] - 1 for own, peer in zip(found["own"], found["TRL"], strict=True)]
    print(f"Own to TRL: {statistics.median(ratios):.2f} times the tokens per second (median of {RUNS} pairs, "
          f"{min(ratios):.2f} to {max(ratios):.2f}); the loss differs by {statistics.median(losses):+.2%}, before the "
          f"training it was {begun:.4f}. No program: a frozen model's products forward and backward at the rate of a "
          f"bfloat16 product measured here.")  # fmt: skip


def _operations() -> float:
    """Floating point operations per token that the training of a frozen model's adapters cannot do without.

    Each product forward and once backward, towards its input: frozen weights have no gradient. Attention sees half of
    the positions; the adapters' own share is left out.
    """
    weights = BLOCKS * (2 * WIDTH * WIDTH + 2 * KV * WIDTH + 3 * INNER * WIDTH) + VOCABULARY * WIDTH
    attention = BLOCKS * WIDTH * LENGTH
    return 4.0 * weights + 2 * 3 * attention


def _measured(arm: str) -> dict[str, Any]:
    """One run in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.training_speed", arm]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _arm(arm: str) -> None:
    """Train as `arm` does and print what was measured."""
    from executors.process.environment import prepare_environment

    prepare_environment(THREADS)
    import torch

    torch.set_num_threads(THREADS)
    train, held_out = _sequences("train", STEPS * BATCH), _sequences("held-out", HELD_OUT)
    starts = _watch()
    with tempfile.TemporaryDirectory() as place:
        model, before = (_own if arm == "own" else _trl)(train, held_out, Path(place))
    took = starts[-1][0] - starts[1][0]
    rate = (STEPS - 2) * BATCH * LENGTH / took
    cores = (starts[-1][1] - starts[1][1]) / took
    print(json.dumps({"rate": rate, "cores": cores, "before": before, "loss": _loss(model, held_out)}))


def _watch() -> list[tuple[float, float]]:
    """Wall and processor seconds at which steps begin, of any Trainer from now on."""
    from transformers import Trainer

    starts: list[tuple[float, float]] = []
    original = Trainer.training_step

    def step(*given: Any, **named: Any) -> Any:
        starts.append((time.perf_counter(), time.process_time()))
        return original(*given, **named)

    Trainer.training_step = step  # type: ignore[method-assign]
    return starts


def _sequences(side: str, count: int) -> list[Any]:
    """Whole windows of the built-in texts, as many as asked for, again from the first where they are too few."""
    from advisor.domain.plan import DataSpec
    from executors.datasets import load
    from executors.datasets.render import encode
    from executors.models.load import find_folder, load_tokenizer

    rows = load(DataSpec(path="builtin:stdlib", kind="text"), "train" if side == "train" else "held-out")
    whole = [s for s in encode(rows, load_tokenizer(find_folder(MODEL)), LENGTH) if len(s.ids) == LENGTH]
    return [whole[number % len(whole)] for number in range(count)]


def _own(train: Sequence[Any], held_out: Sequence[Any], place: Path) -> tuple[Any, float]:
    """The product's own training, through the function that the finetune step itself runs."""
    from executors.finetune import Config
    from executors.finetune.run import train_sequences
    from executors.protocol import Input, Inputs
    from tests.bench.child import Metrics

    config = Config.model_validate(
        {"data": {"path": "builtin:stdlib", "kind": "text"}, "method": "lora", "rank": RANK, "alpha": 2 * RANK,
         "dropout": 0.0, "learning_rate": RATE, "max_steps": STEPS, "micro_batch": BATCH, "seq_len": LENGTH,
         "eval_steps": STEPS + 1, "keep_best": False}
    )  # fmt: skip
    inputs = Inputs(
        roles={"model": Input(kind="causal-lm", path=MODEL)}, threads=THREADS, scratch=str(place / "scratch")
    )
    (place / "scratch").mkdir()
    kept: list[Any] = []
    before = _loss(_plain(), held_out)
    train_sequences(config, inputs, train, held_out[:1], place / "out", Metrics(), write=kept.append)
    return kept[0], before


def _trl(train: Sequence[Any], held_out: Sequence[Any], place: Path) -> tuple[Any, float]:
    """TRL's SFTTrainer as documented: the model by its path, LoRA from PEFT, every speed setting at its default."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    from executors.models.load import find_folder, load_tokenizer
    from executors.training.order import order_rows

    folder = find_folder(MODEL)
    order = order_rows([LENGTH] * len(train), BATCH, STEPS, 0)
    rows = [{"input_ids": train[n].ids, "labels": train[n].labels} for n in order]
    arguments = SFTConfig(
        output_dir=str(place), use_cpu=True, max_steps=STEPS, per_device_train_batch_size=BATCH, learning_rate=RATE,
        lr_scheduler_type="cosine", warmup_steps=0.03, max_length=LENGTH, train_sampling_strategy="sequential",
        report_to=[], disable_tqdm=True, seed=0,
    )  # fmt: skip
    lora = LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules="all-linear")
    before = _loss(_plain(), held_out)
    trainer = SFTTrainer(
        str(folder), args=arguments, train_dataset=Dataset.from_list(rows), peft_config=lora,
        processing_class=load_tokenizer(folder),
    )  # fmt: skip
    trainer.train()
    return trainer.model, before


def _plain() -> Any:
    from executors.models.load import load_model

    return load_model("causal-lm", MODEL).model  # type: ignore[arg-type]


def _loss(model: Any, sequences: Sequence[Any]) -> float:
    """Held-out nats per token, in float32 weights for both."""
    from executors.metrics.answers import answer_losses, mean_loss

    return mean_loss(answer_losses(model.float(), sequences))


if __name__ == "__main__":
    _arm(sys.argv[1])
