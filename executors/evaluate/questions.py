"""Questions about documents: asked of the model alone, or with the passages that an index finds.

Measures what is found (recall at 5, mean reciprocal rank), what is answered (accuracy), and whether the passage an
answer cites is one that holds the answer (groundedness). The questions are the same for every model of a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import zip_longest

from advisor.domain.errors import AdvisorError
from advisor.domain.run import Evaluation, Metric
from executors.documents.questions import Question, load_questions
from executors.evaluate.config import Config
from executors.models.load import Loaded
from executors.prompt.asking import Asker
from executors.prompt.file import PromptFile
from executors.prompt.writing import Writer
from executors.protocol import Say
from executors.retrieve import IndexFinder, Passage, attributed

BARE = "Answer the question in a few words. Write names and signatures in full."
RECALL_AT = 5
REWRITE_TOKENS = 48
SAMPLES = 3


def ask_questions(config: Config, loaded: Loaded, asker: Asker, found: Evaluation, say: Say) -> Evaluation:
    """The evaluation with metrics of the questions added. Raises AdvisorError when the documents give none."""
    questions = load_questions(config.data)[: config.questions]
    if not questions:
        raise AdvisorError(f"no questions can be made of {config.data.path}", why="no sentence holds a name or number")
    total, asked = len(questions), [question.text for question in questions]
    start = time.perf_counter()
    finder = asker.finder if isinstance(asker.finder, IndexFinder) else None
    if finder is not None:
        finder.decide = Writer(loaded, Asker()).decide
        finder.search_for(
            asked,
            max(RECALL_AT, finder.k),
            lambda done: say.progress(done, total, "examples", "searching"),
            _writing(loaded),
        )
    elif asker.is_plain:
        asker = Asker(PromptFile(system=BARE))
    written = Writer(loaded, asker).answer(
        asked, config.answer_tokens, lambda done: say.progress(done, total, "examples", "answering")
    )
    seconds = (time.perf_counter() - start) / total
    answers = [each.answer for each in written]
    values = judged(
        questions, answers, [finder.found[text] for text in asked] if finder else [], finder.k if finder else 0
    )
    metrics = [_metric(name, each) for name, each in values.items()]
    if finder is not None and finder.trails:
        written_lines = sum(len(trail.lines) for trail in finder.trails.values())
        metrics.append(Metric(name="further_look_ups", value=written_lines / total, unit="per question"))
    metrics.append(Metric(name="answer_seconds", value=seconds, unit="s", higher_is_better=False))
    samples = [{"prompt": q.text, "answer": said} for q, said in zip(questions, answers, strict=True)]
    return found.model_copy(
        update={
            "metrics": (*found.metrics, *metrics),
            "per_example": {**found.per_example, **{name: tuple(each) for name, each in values.items()}},
            "samples": tuple(samples[:SAMPLES]),
        }
    )


def _writing(loaded: Loaded) -> Callable[[list[str]], list[str]]:
    """Has the model write what questions are searched with."""
    return lambda prompts: [each.answer for each in Writer(loaded, Asker()).answer(prompts, REWRITE_TOKENS)]


def judged(
    questions: Sequence[Question], answers: Sequence[str], passages: Sequence[Sequence[Passage]], k: int
) -> dict[str, list[float]]:
    """Metric -> value per question. `passages`: what was found for each; the model was shown the first `k`."""
    values = {"answer_accuracy": [float(q.is_answered(said)) for q, said in zip(questions, answers, strict=True)]}
    if not passages:
        return values
    ranks = [rank_of(question, each[:RECALL_AT]) for question, each in zip(questions, passages, strict=True)]
    values["recall_at_5"] = [float(rank > 0) for rank in ranks]
    values["mean_reciprocal_rank"] = [1 / rank if rank else 0.0 for rank in ranks]
    triples = zip_longest(questions, answers, passages)
    values["groundedness"] = [_is_grounded(question, said, each[:k]) for question, said, each in triples]
    return values


def rank_of(question: Question, passages: Sequence[Passage]) -> int:
    """Place of the first passage that answers the question; 0 when none does."""
    return next((passage.number for passage in passages if question.is_in(passage.whole)), 0)


def _is_grounded(question: Question, answer: str, passages: Sequence[Passage]) -> float:
    """Whether the passage cited is one that answers the question."""
    return float(any(question.is_in(passage.whole) for passage in attributed(answer, passages)[:1]))


def _metric(name: str, values: Sequence[float]) -> Metric:
    unit = "" if name == "mean_reciprocal_rank" else "share"
    return Metric(name=name, value=sum(values) / len(values), unit=unit, higher_is_better=True)
