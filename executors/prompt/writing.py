"""Has a model write its answers through an `Asker`: batches of equal work, reasoning first, constraints kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from executors.constrain import Constrained, Constraint, compile_constraint
from executors.datasets.render import render_prompt
from executors.datasets.rows import Message
from executors.models.load import Loaded
from executors.prompt.asking import Asker

BATCH = 8
LINE_TOKENS = 32
LONGEST_BATCH = 4096
"""Tokens of a batch's prompts, padding included."""


@dataclass(frozen=True)
class Written:
    """One answer. `text`: all that was written; `answer`: what of it is the answer."""

    answer: str
    text: str
    seconds: float = 0.0
    """Its share of the batch it was written in."""


class Writer:
    """A loaded model that answers through an asker. Compiled constraints are kept."""

    def __init__(self, loaded: Loaded, asker: Asker) -> None:
        self.loaded, self.asker = loaded, asker
        self._compiled: dict[str, Constrained] = {}

    def answer(
        self,
        questions: Sequence[str],
        max_tokens: int | None = None,
        after: Callable[[int], None] = lambda done: None,
        batch: int = BATCH,
    ) -> list[Written]:
        """The greedy answer to each question. `after` hears how many are done. Raises AdvisorError."""
        if self.asker.prompt.tools:
            from executors.prompt.acting import act

            found = []
            for question in questions:
                found.append(act(self, question))
                after(len(found))
            return found
        texts = [self.start(self.asker.turns(question)) for question in questions]
        results: list[Written | None] = [None] * len(texts)
        done = 0
        for chosen in self._batches(texts, batch):
            began = time.perf_counter()
            written = self._answer_batch([texts[n] for n in chosen], max_tokens)
            seconds = (time.perf_counter() - began) / len(chosen)
            for number, text in zip(chosen, written, strict=True):
                results[number] = Written(self.asker.answer_in(text), text, seconds)
            done += len(chosen)
            after(done)
        return [result for result in results if result is not None]

    def start(self, turns: Sequence[Message]) -> str:
        """The text a model goes on from: the conversation, and the trigger of its answer."""
        return render_prompt(turns, self.loaded.tokenizer) + self.asker.prompt.trigger

    def _answer_batch(self, texts: list[str], max_tokens: int | None) -> list[str]:
        prompt = self.asker.prompt
        budget = min(max_tokens or prompt.max_tokens, prompt.max_tokens)
        if prompt.reasoning:
            # Kojima et al. 2022, Large Language Models are Zero-Shot Reasoners: reason, then extract the answer.
            thought = self.go_on(texts, prompt.reasoning)
            texts = [text + said.rstrip() + prompt.final for text, said in zip(texts, thought, strict=True)]
        return self.go_on(texts, prompt.max_tokens if prompt.constraint else budget, prompt.constraint)

    def go_on(self, texts: list[str], budget: int, constraint: Constraint | None = None) -> list[str]:
        """What the model writes behind each text, greedily, in at most `budget` tokens."""
        import torch

        model, tokenizer = self.loaded.model, self.loaded.tokenizer
        encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
        longest = max(len(ids) for ids in encoded)
        pad = tokenizer.pad_token_id or 0
        device = next(model.parameters()).device
        # On the left: every answer must follow its question directly.
        ids = torch.tensor([[pad] * (longest - len(row)) + row for row in encoded], device=device)
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in encoded], device=device)
        extra: dict[str, Any] = {}
        if constraint is not None:
            compiled = self.compiled(constraint)
            extra["logits_processor"] = [compiled.processor(len(texts), budget, self.ends, longest)]
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=budget, do_sample=False, pad_token_id=pad, **extra
            )
        return [str(text) for text in tokenizer.batch_decode(out[:, longest:], skip_special_tokens=True)]

    def decide(self, turns: list[tuple[Message, ...]], constraint: Constraint) -> list[str]:
        """One line under a constraint behind each conversation: what a model that may look things up decides."""
        return self.go_on([render_prompt(each, self.loaded.tokenizer) for each in turns], LINE_TOKENS, constraint)

    def compiled(self, constraint: Constraint) -> Constrained:
        """The constraint for this model's tokenizer, compiled once."""
        key = constraint.model_dump_json()
        if key not in self._compiled:
            columns = self.loaded.model.config.get_text_config().vocab_size
            self._compiled[key] = compile_constraint(constraint, self.loaded.tokenizer, columns)
        return self._compiled[key]

    @property
    def ends(self) -> list[int]:
        """Ids of the tokens that end an answer."""
        known = getattr(self.loaded.model.generation_config, "eos_token_id", None)
        listed = known if isinstance(known, list) else [known]
        found = {n for n in (*listed, self.loaded.tokenizer.eos_token_id) if n is not None}
        return sorted(found)

    def _batches(self, texts: Sequence[str], batch: int) -> list[list[int]]:
        """Numbers of texts of similar length together, the longest first."""
        lengths = [len(ids) for ids in self.loaded.tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
        order = sorted(range(len(texts)), key=lambda n: (-lengths[n], n))
        found = []
        while order:
            size = max(1, min(batch, LONGEST_BATCH // max(1, lengths[order[0]])))
            found.append(order[:size])
            order = order[size:]
        return found
