"""Retrieval over the documents of `builtin:stdlib`: what is found of held-out questions, and what SmolLM2 answers.

Questions ask for signatures by name, and for names by descriptions in other words. An answer is right when it holds
the signature or name; a citation is right when the passage cited holds it. Recall is of all questions, answers of the
first.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

ANSWERED = 24
MODEL = "builtin:smollm2-135m-instruct"
CASES: dict[str, dict[str, Any]] = {
    "basic (dense)": {"by": "dense"},
    "keyword (BM25)": {"by": "keyword"},
    "hybrid": {"by": "hybrid"},
    "hybrid, late interaction": {"by": "hybrid", "rerank": "late-interaction"},
}


def run() -> None:
    """Print one row for the model alone and one for each way to search."""
    from executors.documents.questions import load_questions
    from executors.evaluate.questions import BARE, judged
    from executors.models.load import load_model
    from executors.prompt.asking import Asker
    from executors.prompt.file import PromptFile
    from executors.prompt.writing import Writer
    from executors.retrieve import IndexFinder, Search, open_index
    from executors.retrieve.prompt import SYSTEM

    loaded = load_model("causal-lm", MODEL)
    with tempfile.TemporaryDirectory() as place:
        spec = _build(Path(place))
        questions = load_questions(spec)
        asked, some = [question.text for question in questions], questions[:ANSWERED]
        print(f"{len(questions)} held-out questions; {ANSWERED} of them answered, half about signatures.\n")
        print("| retrieval | recall@5 | reciprocal rank | signatures answered | names answered | citation right |")
        print("| --- " + "| ---: " * 5 + "|")
        bare = Writer(loaded, Asker(PromptFile(system=BARE))).answer(asked[:ANSWERED])
        _print("none", some, judged(some, [each.answer for each in bare], [], 0), {})
        for name, settings in CASES.items():
            index = open_index(Path(place) / "index")
            index.about = index.about.model_copy(update={"search": Search(**settings)})
            finder = IndexFinder(index)
            finder.search_for(asked, 5)
            passages = [finder.found[text] for text in asked]
            recall = judged(questions, [""] * len(asked), passages, finder.k)
            said = Writer(loaded, Asker(PromptFile(system=SYSTEM), finder)).answer(asked[:ANSWERED], 48)
            values = judged(some, [each.answer for each in said], passages[:ANSWERED], finder.k)
            _print(name, some, values, recall)


def _build(place: Path) -> Any:
    from advisor.domain.plan import DataSpec
    from advisor.domain.words import DataKind
    from executors import retrieve
    from executors.artifact import write_manifest
    from executors.protocol import Inputs
    from tests.bench.retrieval_scale import _Say

    spec = DataSpec(path="builtin:stdlib", kind=DataKind.DOCUMENTS)
    (place / "index").mkdir()
    inputs = Inputs(roles={}, scratch=str(place / "scratch"))
    retrieve.run(retrieve.Config(data=spec), inputs, place / "index", _Say(is_silent=True))
    write_manifest(place / "index")
    return spec


def _print(name: str, questions: list[Any], values: dict[str, list[float]], recall: dict[str, list[float]]) -> None:
    shares = [_share(recall.get("recall_at_5")), _share(recall.get("mean_reciprocal_rank"))]
    for kind in ("signature", "name"):
        right = [r for r, q in zip(values["answer_accuracy"], questions, strict=True) if q.kind == kind]
        shares.append(_share(right))
    print(f"| {name} | {' | '.join([*shares, _share(values.get('groundedness'))])} |", flush=True)


def _share(values: list[float] | None) -> str:
    return f"{sum(values) / len(values):.3f}" if values else "-"
