"""Retrieval that SmolLM2 decides on, beside the same hybrid search without it, on the same held-out questions.

Questions, judging and what is left out are those of `retrieval`. `AGENTIC_QUESTIONS`: how many are asked.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from tests.bench.retrieval import MODEL, SEEN, build, differences, row

QUESTIONS = int(os.environ.get("AGENTIC_QUESTIONS", "32"))


def run() -> None:
    """Print one row for each, what the model looked up, and the differences."""
    from executors.documents.questions import load_questions
    from executors.evaluate.questions import judged
    from executors.models.load import load_model
    from executors.prompt.asking import Asker
    from executors.prompt.file import PromptFile
    from executors.prompt.writing import Writer
    from executors.retrieve import IndexFinder, open_index
    from executors.retrieve.prompt import SYSTEM

    loaded = load_model("causal-lm", MODEL)
    with tempfile.TemporaryDirectory() as place:
        spec = build(Path(place), "index")
        questions = load_questions(spec)[SEEN : SEEN + QUESTIONS]
        asked, found, told = [question.text for question in questions], {}, []
        print(f"{len(questions)} held-out questions, half about signatures.\n")
        print("| retrieval | recall@5 | reciprocal rank | signatures answered | names answered | citation right |")
        print("| --- " + "| ---: " * 5 + "|")
        for name, steps in (("hybrid", 0), ("agentic", 3)):
            index = open_index(Path(place) / "index")
            search = index.about.search.model_copy(update={"agent_steps": steps})
            index.about = index.about.model_copy(update={"search": search})
            finder = IndexFinder(index)
            finder.decide = Writer(loaded, Asker()).decide
            start = time.perf_counter()
            finder.search_for(asked, 5)
            seconds = (time.perf_counter() - start) / len(asked)
            said = Writer(loaded, Asker(PromptFile(system=SYSTEM), finder)).answer(asked, 48)
            passages = [finder.found[text] for text in asked]
            values = judged(questions, [each.answer for each in said], passages, finder.k)
            found[name] = row(name, questions, values, values)
            lines = [line for trail in finder.trails.values() for line in trail.lines]
            kinds = [sum(line.startswith(kind) for line in lines) for kind in ("search", "keyword", "source", "calc")]
            told.append(f"| {name} | {len(lines)} | {' | '.join(map(str, kinds))} | {seconds:.2f} |")
    print("\n| retrieval | further look-ups | search | keyword | source | calculator | seconds to find |")
    print("| --- " + "| ---: " * 6 + "|\n" + "\n".join(told))
    pairs = (("agentic", "hybrid", "recall_at_5"), ("agentic", "hybrid", "signatures"), ("agentic", "hybrid", "names"))
    differences(found, pairs)
