"""Optimises a model against a reward: GRPO or RLOO, the reward being a program's check or a learned reward model.

This is the last stage of RLHF. The source names PPO; TRL has none any more, so the policy is optimised by RLOO
(Ahmadian et al. 2024: REINFORCE with the other answers' mean as the baseline) or GRPO (Shao et al. 2024, section 4.1),
which need no value model. Gives an adapter, or a whole model (full).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.words import DataKind
from executors.align.config import REQUIRES, AlignConfig, wrong_kind
from executors.datasets import load
from executors.datasets.render import render_prompt
from executors.datasets.rows import Conversation, Message, Row, Task, Text
from executors.metrics.rewards import reward
from executors.models.load import find_folder, load_tokenizer
from executors.protocol import Inputs, Machine, Say
from executors.training import setup
from executors.training.course import Course, digest_of, follow
from executors.training.engine import make_class
from executors.training.optimizer import make_optimizer
from executors.training.order import count_steps, order_rows
from executors.training.preflight import check_adapter, check_data
from executors.training.reporter import Measured, Reporter, make_callback

__all__ = ["REQUIRES", "Config", "preflight", "run"]

HELD_OUT_ROWS = 16
"""Held-out prompts that are answered during training; the evaluation step measures on more."""
HELD_OUT_TIMES = 2
Score = Callable[[Sequence[str], Sequence[str], Sequence[str], Sequence[str]], list[float]]
"""(prompts, answers, wanted answers, checks) -> rewards."""


class Config(AlignConfig):
    """Settings of a policy's optimisation. `batch` counts answers: prompts times `generations`."""

    objective: Literal["grpo", "rloo"] = "grpo"
    generations: int = Field(default=8, ge=2, le=256)
    """Answers to each prompt, compared with one another."""
    answer_tokens: int = Field(default=64, ge=1, le=65_536)
    """Longest answer."""
    temperature: float = Field(default=1.0, gt=0, le=10)
    beta: float = Field(default=0.04, ge=0, le=100)
    """Price of moving away from the reference, per nat."""

    @model_validator(mode="after")
    def _is_a_group(self) -> Config:
        if self.batch % self.generations:
            raise ValueError(f"generations ({self.generations}) must divide micro_batch * accumulation ({self.batch})")
        return self


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What is wrong before anything starts: nothing to check an answer by, unreadable data."""
    if "reward-model" not in inputs.roles and config.data.kind is not DataKind.REWARDS:
        found = wrong_kind(config, f"{config.objective} without a reward model", DataKind.REWARDS)
        return [found.model_copy(update={"hint": "give checkable answers, or train a reward model first"})]
    if config.data.kind in (DataKind.TEXT, DataKind.DOCUMENTS):
        text = "texts ask nothing, and a policy needs prompts to answer"
        return [Diagnostic(severity=Severity.DANGER, code="data-kind", text=text)]
    return [*check_adapter(config, inputs), *check_data(config)]


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Optimise `inputs.model` against the role `reward-model`, or against the checks in the data; write below `out`.

    The number that steers is the mean reward of greedy answers to held-out prompts.
    """
    tokenizer = load_tokenizer(find_folder(inputs.path("model")))
    rows = _asked(load(config.data, "train"), tokenizer, config.seq_len)
    held_out = _asked(load(config.data, "held-out"), tokenizer, config.seq_len)[:HELD_OUT_ROWS]
    score = _score_by_model(inputs.path("reward-model")) if "reward-model" in inputs.roles else _score_by_check
    if "reward-model" in inputs.roles:
        say.log(f"the policy is optimised by {config.objective.upper()} on the learned reward; TRL has no PPO any more")
    prompts = config.batch // config.generations
    steps = count_steps(len(rows), prompts, config.epochs, config.max_steps)
    order = order_rows([len(row["prompt"]) for row in rows], prompts, steps, inputs.seed)
    ordered = [rows[row] for row in order]
    say.log(f"{len(rows)} prompts, {steps} steps of {prompts} prompts with {config.generations} answers each")

    def build(micro_batch: int, accumulation: int, reporter: Reporter) -> Any:
        return _build(config, inputs, ordered, (micro_batch, accumulation), score, reporter)

    def measured(trainer: Any) -> list[Measured]:
        return _measure(trainer, held_out, score, config.answer_tokens)

    course = Course("align.policy", digest_of(ordered), steps, (), build, measured, times=HELD_OUT_TIMES)
    trainer = follow(course, config, inputs, say)
    setup.report_share(trainer.model, config, say)
    say.progress(steps, steps, "steps", "writing")
    setup.write_result(trainer, config, inputs, out)


def _build(
    config: Config, inputs: Inputs, ordered: Sequence[dict[str, str]], batch: tuple[int, int], score: Score,
    reporter: Reporter,
) -> Any:  # fmt: skip
    from datasets import Dataset

    micro_batch, accumulation = batch
    loaded = setup.load_trainable(config, inputs, [len(row["prompt"]) for row in ordered])
    if loaded.tokenizer.pad_token is None:
        loaded.tokenizer.pad_token = loaded.tokenizer.eos_token
    steps = len(ordered) * config.generations // (micro_batch * accumulation)
    shared = setup.arguments(config, inputs, steps, micro_batch, accumulation)
    del shared["train_sampling_strategy"]  # its own sampler repeats each prompt
    shared |= {
        "num_generations": config.generations,
        "max_completion_length": config.answer_tokens,
        "temperature": config.temperature,
        "beta": config.beta,
        "shuffle_dataset": False,
        "remove_unused_columns": False,
    }

    def score_batch(prompts: list[str], completions: list[str], **columns: Any) -> list[float]:
        return score(prompts, completions, columns["wanted"], columns["check"])

    if config.objective == "grpo":
        from trl import GRPOConfig as Arguments
        from trl import GRPOTrainer as Base
    else:
        from trl import RLOOConfig as Arguments
        from trl import RLOOTrainer as Base
    return make_class(Base)(
        model=loaded.model,
        reward_funcs=score_batch,
        args=Arguments(**shared),
        train_dataset=Dataset.from_list(list(ordered)),
        processing_class=loaded.tokenizer,
        callbacks=[make_callback(reporter)],
        optimizers=(make_optimizer(loaded.model, config.learning_rate, config.optimizer), None),
    )


def _asked(rows: Sequence[Row], tokenizer: Any, seq_len: int) -> list[dict[str, str]]:
    """`prompt` as the model sees it, `wanted` and `check` of each row whose prompt fits."""
    found = []
    for row in rows:
        if isinstance(row, Text):
            continue
        turns: tuple[Message, ...] = row.messages[:-1] if isinstance(row, Conversation) else row.prompt
        prompt = render_prompt(turns, tokenizer)
        if turns and len(tokenizer(prompt, add_special_tokens=False)["input_ids"]) < seq_len:
            check = row.check if isinstance(row, Task) else ""
            found.append({"prompt": prompt, "wanted": row.messages[-1].content, "check": check})
    unique = list({row["prompt"]: row for row in found}.values())
    if not unique:
        raise AdvisorError("no prompt is left to answer", why=f"none is shorter than {seq_len} tokens")
    return unique


def _score_by_check(
    prompts: Sequence[str], answers: Sequence[str], wanted: Sequence[str], checks: Sequence[str]
) -> list[float]:
    return [reward(check, answer, right) for answer, right, check in zip(answers, wanted, checks, strict=True)]


def _score_by_model(path: str) -> Score:
    """Scores by a reward model, loaded once."""
    from executors.align.reward import load_reward_model

    model, tokenizer = load_reward_model(path)

    def score(prompts: Sequence[str], answers: Sequence[str], _: Sequence[str], __: Sequence[str]) -> list[float]:
        import torch

        end = tokenizer.eos_token or ""
        texts = [prompt + answer.removesuffix(end) + end for prompt, answer in zip(prompts, answers, strict=True)]
        values = []
        with torch.inference_mode():
            for text in texts:
                ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"].to(model.device)
                values.append(float(model(input_ids=ids, use_cache=False).logits[0, 0]))
        return values

    return score


def _measure(trainer: Any, held_out: Sequence[dict[str, str]], score: Score, answer_tokens: int) -> list[Measured]:
    from executors.metrics.speed import answer_prompts

    model, tokenizer = trainer.model, trainer.processing_class
    was_training = model.training
    model.eval()
    answers = answer_prompts(model, tokenizer, [row["prompt"] for row in held_out], answer_tokens)
    model.train(was_training)
    columns = ([row[name] for row in held_out] for name in ("wanted", "check"))
    values = score([row["prompt"] for row in held_out], answers, *columns)
    return [Measured("held_out_reward", sum(values) / len(values), "", True)]
