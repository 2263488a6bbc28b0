"""Retrieval over the documents of `builtin:stdlib`: what is found of held-out questions, and what SmolLM2 answers.

Questions ask for signatures by name, and for names by descriptions in other words. An answer is right when it holds
the signature or name; a citation is right when the passage cited holds it. The first `SEEN` held-out questions were
looked at while the prompt was written, and are left out. Embeddings are tuned, and the share of the two searches is
chosen, on the training side. `RETRIEVAL_QUESTIONS`, `RETRIEVAL_ANSWERED`, `RETRIEVAL_PAIRS`: how many are searched,
are answered, and tune.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SEEN = 100
QUESTIONS = int(os.environ.get("RETRIEVAL_QUESTIONS", "424"))
ANSWERED = int(os.environ.get("RETRIEVAL_ANSWERED", "64"))
TUNED_ON = int(os.environ.get("RETRIEVAL_PAIRS", "512"))
MODEL = "builtin:smollm2-135m-instruct"
CASES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("basic (dense)", "index", {"by": "dense"}),
    ("keyword (BM25)", "index", {"by": "keyword"}),
    ("hybrid", "index", {"by": "hybrid"}),
    ("hybrid, late interaction", "index", {"by": "hybrid", "rerank": "late-interaction"}),
    ("fine-tuned dense", "tuned", {"by": "dense"}),
    ("fine-tuned hybrid", "tuned", {"by": "hybrid"}),
)
PAIRS = (
    ("hybrid", "basic (dense)", "recall_at_5"),
    ("hybrid", "keyword (BM25)", "recall_at_5"),
    ("hybrid", "keyword (BM25)", "mean_reciprocal_rank"),
    ("fine-tuned dense", "basic (dense)", "recall_at_5"),
    ("fine-tuned hybrid", "hybrid", "recall_at_5"),
    ("hybrid", "none", "signatures"),
    ("fine-tuned hybrid", "none", "signatures"),
)
Values = dict[str, list[float]]


def run() -> None:
    """Print one row for the model alone and one for each way to search, then differences with paired intervals."""
    from executors.documents.questions import load_questions
    from executors.evaluate.questions import BARE, judged
    from executors.models.load import load_model
    from executors.prompt.asking import Asker
    from executors.prompt.file import PromptFile
    from executors.prompt.writing import Writer
    from executors.retrieve import IndexFinder, open_index
    from executors.retrieve.prompt import SYSTEM

    loaded = load_model("causal-lm", MODEL)
    with tempfile.TemporaryDirectory() as place:
        spec = build(Path(place), "index")
        build(Path(place), "tuned", tune={"pairs": TUNED_ON, "batch": 32})
        questions = load_questions(spec)[SEEN : SEEN + QUESTIONS]
        asked, some = [question.text for question in questions], questions[:ANSWERED]
        print(f"{len(questions)} held-out questions; {ANSWERED} of them answered, half about signatures.")
        print(f"Embeddings tuned on {TUNED_ON} training questions.\n")
        print("| retrieval | recall@5 | reciprocal rank | signatures answered | names answered | citation right |")
        print("| --- " + "| ---: " * 5 + "|")
        bare = Writer(loaded, Asker(PromptFile(system=BARE))).answer(asked[:ANSWERED], 48)
        found = {"none": row("none", some, judged(some, [each.answer for each in bare], [], 0), {})}
        shares = []
        for name, which, settings in CASES:
            index = open_index(Path(place) / which)
            search = index.about.search.model_copy(update=settings)
            shares.append(f"{which} {search.dense_share}")
            index.about = index.about.model_copy(update={"search": search})
            finder = IndexFinder(index)
            finder.search_for(asked, 5)
            passages = [finder.found[text] for text in asked]
            recall = judged(questions, [""] * len(asked), passages, finder.k)
            said = Writer(loaded, Asker(PromptFile(system=SYSTEM), finder)).answer(asked[:ANSWERED], 48)
            values = judged(some, [each.answer for each in said], passages[:ANSWERED], finder.k)
            found[name] = row(name, some, values, recall)
        print(f"\nShare of the cosine that was chosen: {', '.join(dict.fromkeys(shares))}.")
    differences(found, PAIRS)


def build(place: Path, name: str, **settings: Any) -> Any:
    """Build a hybrid index of `builtin:stdlib` at `place / name`; what it was made of."""
    from advisor.domain.plan import DataSpec
    from advisor.domain.words import DataKind
    from executors import retrieve
    from executors.artifact import write_manifest
    from executors.protocol import Inputs
    from tests.bench.child import Silent

    spec = DataSpec(path="builtin:stdlib", kind=DataKind.DOCUMENTS)
    (place / name).mkdir()
    inputs = Inputs(roles={}, scratch=str(place / f"{name}-scratch"))
    told = {"data": spec, "search": {"by": "hybrid"}, **settings}
    retrieve.run(retrieve.Config.model_validate(told), inputs, place / name, Silent())
    write_manifest(place / name)
    return spec


def row(name: str, questions: list[Any], values: Values, recall: Values) -> Values:
    """Print a row; what it was made of, question by question."""
    found = dict(recall)
    for kind in ("signature", "name"):
        right = zip(values["answer_accuracy"], questions, strict=True)
        found[f"{kind}s"] = [value for value, question in right if question.kind == kind]
    found["groundedness"] = values.get("groundedness", [])
    shown = ("recall_at_5", "mean_reciprocal_rank", "signatures", "names", "groundedness")
    print(f"| {name} | {' | '.join(_share(found.get(key)) for key in shown)} |", flush=True)
    return found


def differences(found: dict[str, Values], pairs: Sequence[tuple[str, str, str]]) -> None:
    """Print what the first of each pair has over the second, in one metric."""
    from advisor.domain.run import Evaluation, Metric
    from advisor.runs.compare import compare

    def evaluation(values: list[float], metric: str) -> Evaluation:
        share = Metric(name=metric, value=sum(values) / len(values), unit="share", higher_is_better=True)
        return Evaluation(metrics=(share,), per_example={metric: tuple(values)})

    print("\n| difference | of | 95 % paired interval |\n| --- | --- | ---: |")
    for name, other, metric in pairs:
        (change,) = compare(evaluation(found[other][metric], metric), evaluation(found[name][metric], metric))
        low, exact, high = change.difference.low, change.difference.expected, change.difference.high
        print(f"| {name} - {other} | {metric} | {exact:+.3f} [{low:+.3f}, {high:+.3f}] |")


def _share(values: list[float] | None) -> str:
    return f"{sum(values) / len(values):.3f}" if values else "-"
