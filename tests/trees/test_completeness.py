"""Nothing of the five sources is missing from `trees/`.

The lists in `items/` are what the sources hold, item by item; they are not generated from the knowledge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from advisor.domain.knowledge import Knowledge, Practice
from advisor.domain.technique import Technique

ITEMS = Path(__file__).parent / "items"


def _items(name: str) -> Any:
    return yaml.load((ITEMS / name).read_text(), yaml.CSafeLoader)


TECHNIQUES_004: dict[str, dict[str, Any]] = _items("techniques_004.yaml")
TECHNIQUES_OTHERS: dict[str, dict[str, dict[str, Any]]] = _items("techniques_others.yaml")
PRACTICES: dict[str, dict[str, Any]] = _items("practices.yaml")
QUESTIONS: dict[str, dict[str, Any]] = _items("questions_004.yaml")
MATRIX: dict[str, Any] = _items("interactions_000.yaml")
CELLS = [(first, then, verdict) for first, row in MATRIX["cells"].items() for then, verdict in row.items()]
ON_TECHNIQUES = [("004", name, said) for name, said in TECHNIQUES_004.items()] + [
    (source, name, said) for source, entries in TECHNIQUES_OTHERS.items() for name, said in entries.items()
]
IDS: dict[str, Any] = _items("ids.yaml")
FROM_NO_SOURCE_DOCUMENT = {"kto", "grpo", "nvfp4", "mxfp4", "mxfp8"}
MERGES = {"adapter-merge", "linear-merge", "slerp-merge", "ties-merge", "dare-merge"}
"""The sources speak of merging as a family and name no method of it."""


def _text(value: object) -> str:
    """Every word and number below `value`, in one lower-case line."""
    if isinstance(value, str | int | float):
        return str(value).lower()
    if isinstance(value, dict):
        return " ".join(f"{_text(key)} {_text(part)}" for key, part in value.items())
    if isinstance(value, tuple | list):
        return " ".join(_text(part) for part in value)
    return _text(value.model_dump()) if hasattr(value, "model_dump") else ""


def _missing(technique: Technique, said: dict[str, Any]) -> list[str]:
    return [
        f"{technique.id}.{field}: {item!r}, looked for {words!r}"
        for field, items in said.items()
        if field != "section"
        for item, words in items.items()
        if str(words).lower() not in _text(getattr(technique, field))
    ]


def _names(sources: tuple[str, ...], source: str, where: str) -> bool:
    wanted = f"{source} {where}".lower()
    return any(name.lower().startswith(wanted) for name in sources)


@pytest.mark.parametrize(("source", "name", "said"), ON_TECHNIQUES, ids=[f"{s}-{n}" for s, n, _ in ON_TECHNIQUES])
def test_technique_says_all_its_source_says(knowledge: Knowledge, source: str, name: str, said: dict[str, Any]) -> None:
    """Every statement, number, warning, tool and paper a source gives for a technique stands in its entry."""
    technique = knowledge.technique(name)
    assert _missing(technique, said) == []
    assert _names(technique.sources, source, said["section"]), f"{name} does not name {source} {said['section']}"


@pytest.mark.parametrize(("name", "said"), PRACTICES.items(), ids=list(PRACTICES))
def test_practice_is_kept(knowledge: Knowledge, name: str, said: dict[str, Any]) -> None:
    """Every principle, table row, pattern, pairing, rule, step and reason of the sources has its entry."""
    found: Practice | None = next((p for p in knowledge.practices if p.id == name), None)
    assert found is not None, f"no practice {name}"
    text = _text((found.title, found.text, found.numbers))
    assert [words for words in said["words"] if words.lower() not in text] == []
    assert found.kind == said["kind"]
    assert any(source.lower().startswith(said["source"].lower()) for source in found.sources)


@pytest.mark.parametrize(("name", "said"), QUESTIONS.items(), ids=list(QUESTIONS))
def test_question_is_asked(knowledge: Knowledge, name: str, said: dict[str, Any]) -> None:
    """Every question of the decision tree is asked, each of its choices offered, and each leads where it should."""
    question = knowledge.tree.question(name)
    assert question.section == said["section"]
    choices = {choice.value: choice for choice in question.choices}
    for value, leads_to in said["choices"].items():
        assert value in choices, f"{name} does not offer {value}"
        choice = choices[value]
        reached = {*choice.techniques, choice.next or question.next, choice.opens}
        assert set(leads_to) <= reached, f"{name}={value} does not lead to {set(leads_to) - reached}"


@pytest.mark.parametrize(("first", "then", "verdict"), CELLS, ids=[f"{f}-{t}" for f, t, _ in CELLS])
def test_matrix_cell_is_verbatim(knowledge: Knowledge, first: str, then: str, verdict: str) -> None:
    """Every cell of the source's matrix stands in the profile that keeps it unchanged."""
    cells = [i for i in knowledge.profile("source-matrix").interactions if (i.first, i.then) == (first, then)]
    assert [str(cell.verdict) for cell in cells] == [verdict]


@pytest.mark.parametrize(("pair", "words"), MATRIX["asymmetries"].items(), ids=list(MATRIX["asymmetries"]))
def test_asymmetry_keeps_its_reason(knowledge: Knowledge, pair: str, words: list[str]) -> None:
    """The reasons that the source gives for its cells, asymmetries and anti-patterns stand in the cells."""
    first, then = pair.split("-")
    cell = next(i for i in knowledge.profile("source-matrix").interactions if (i.first, i.then) == (first, then))
    assert [each for each in words if each.lower() not in cell.because.lower()] == []


def test_every_fixed_id_exists(knowledge: Knowledge) -> None:
    """Every technique id and family that files rely on is there, and the sources' combined pipelines are known."""
    wanted = [name for names in IDS["techniques"].values() for name in names]
    assert len(wanted) == len(set(wanted)) >= 80
    assert set(wanted) <= {technique.id for technique in knowledge.techniques}
    assert set(IDS["families"]) <= {str(technique.family) for technique in knowledge.techniques} | {"export"}
    assert set(IDS["pipelines"]) <= {order.id for order in knowledge.orders}


def test_every_ordered_pair_of_families_has_an_answer(knowledge: Knowledge) -> None:
    """At least twelve families; each ordered pair of them, a family with itself included, is answered."""
    answered = {(str(i.first), str(i.then)) for i in knowledge.profile("default").interactions}
    families = {first for first, _ in answered}
    assert len(families) >= 12
    assert {(first, then) for first in families for then in families} == answered


def test_verdicts_of_weight_have_evidence(knowledge: Knowledge) -> None:
    """Every "bad" and "best" has evidence; where it is the source's word alone, the evidence says so."""
    for profile in ("default", "source-matrix"):
        for pair in knowledge.profile(profile).interactions:
            if str(pair.verdict) not in ("bad", "best"):
                continue
            assert pair.evidence, f"{profile}: {pair.first} -> {pair.then}"
            if all(str(each.kind) == "source" for each in pair.evidence):
                assert {str(each.strength) for each in pair.evidence} == {"claim"}, f"{pair.first} -> {pair.then}"


def test_golden_order_is_verbatim(knowledge: Knowledge) -> None:
    """Both profiles know the golden ordering as its source gives it."""
    for name in ("source-matrix", "default"):
        assert list(knowledge.profile(name).golden_order) == MATRIX["golden_order"]


@pytest.mark.parametrize(("name", "said"), MATRIX["orders"].items(), ids=list(MATRIX["orders"]))
def test_order_of_each_source_is_kept(knowledge: Knowledge, name: str, said: dict[str, Any]) -> None:
    """Every order of techniques that a source recommends is known under that source's name."""
    order = next(order for order in knowledge.orders if order.id == name)
    assert list(order.families) == said["families"]
    assert _names(order.sources, said["source"], "")


def test_disagreements_between_sources_are_kept(knowledge: Knowledge) -> None:
    """Every question on which the sources contradict one another is recorded as a disagreement."""
    known = {disagreement.id for disagreement in knowledge.disagreements}
    assert set(MATRIX["disagreements"]) <= known


def test_no_technique_is_without_a_list(knowledge: Knowledge) -> None:
    """Every technique of the knowledge is in a source's list, or is known to come from elsewhere."""
    listed = {name for _, name, _ in ON_TECHNIQUES}
    assert {t.id for t in knowledge.techniques} - listed == FROM_NO_SOURCE_DOCUMENT | (MERGES - listed)


def test_no_practice_is_without_a_list(knowledge: Knowledge) -> None:
    """Every practice of the knowledge is in a source's list."""
    assert {p.id for p in knowledge.practices} == set(PRACTICES)
