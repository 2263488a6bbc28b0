"""Each check of `lint` finds the contradiction it is for, and nothing in sound knowledge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.knowledge import load_knowledge
from advisor.knowledge.checks_tree import WORDS
from advisor.knowledge.lint import lint

from .conftest import FILES

Trees = Callable[..., Path]
VOCABULARY = "vocabulary:\n" + "".join(
    f"  {name}: {{{', '.join(f'{chr(34)}{word}{chr(34)}: label of {word}' for word in words)}}}\n"
    for name, words in WORDS.items()
)
GPTQ = FILES["techniques/gptq.yaml"]
PAIRS = FILES["interactions.yaml"]
QUESTIONS = FILES["questions.yaml"]
ORDERS = FILES["orders.yaml"]

DISAGREEMENT = (
    "disagreements: [{id: d, question: q, taken: t, because: b, families: [prune],"
    " sides: [{text: t, kind: source, source: 000 a}, {text: u, kind: source, source: 000 b}]}]\n"
)


def found(root: Path) -> list[str]:
    """Findings as `path: message`."""
    executors = root.parent / "executors"
    executors.mkdir(exist_ok=True)
    return [f"{finding.path}: {finding.message}" for finding in lint(load_knowledge(root), executors)]


def test_sound(trees: Trees) -> None:
    """Sound knowledge has no findings."""
    assert found(trees(vocabulary=VOCABULARY)) == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("techniques__gptq", GPTQ + "sources: [999 here]\n", "no source is called '999'"),
        ("techniques__gptq", GPTQ + 'sources: ["000"]\n', "names no place"),
        ("techniques__gptq", GPTQ.replace("why_not: Not here.\n", ""), "neither executor nor why_not"),
        ("techniques__gptq", GPTQ.replace("why_not: Not here.", "executor: quantize"), "no module executors.quantize"),
        ("techniques__gptq", GPTQ + "executor: quantize\n", "both executor and why_not"),
        (
            "techniques__gptq",
            GPTQ + "requires: [{condition: {fact: gpu_gb, at_least: 1}, because: b}]\n",
            "no fact is called 'gpu_gb'",
        ),
        (
            "techniques__gptq",
            GPTQ + "requires: [{condition: {none: [{fact: task, one_of: [coding]}]}, because: b}]\n",
            "task is never 'coding'",
        ),
        (
            "techniques__awq",
            "id: awq\nname: A\nfamily: quantize\nsummary: s\nwhy_not: n\n",
            "no answer and no rule offers",
        ),
        ("questions", QUESTIONS.replace("[gptq]", "[gptq, gptw]"), "no technique is called 'gptw'"),
        ("questions", QUESTIONS.replace("value: optimize", "value: optimise"), "goal may not be 'optimise'"),
        ("questions", QUESTIONS.replace("key: goal", "key: gaol"), "no key 'gaol'"),
        ("questions", QUESTIONS.replace("why: It decides.", "why: It decides.\n    next: more"), "leads to 'more'"),
        (
            "questions",
            QUESTIONS + "  - {id: lost, key: task, text: t, meaning: m, why: w}\n",
            "questions.yaml lost: it is never reached",
        ),
        ("vocabulary", VOCABULARY.replace('"prune": label of prune, ', ""), "'prune' has no label"),
        ("vocabulary", VOCABULARY.replace('"prune":', '"prun": label, "prune":'), "'prun' is no word"),
        ("vocabulary", VOCABULARY.replace("label of prune", "label of merge"), "two words share a label"),
        ("interactions", PAIRS.replace("verdict: ok", "verdict: best"), "best without evidence"),
        ("interactions", PAIRS.replace("        fix: Turn it round.\n", ""), "harmful without a fix"),
        ("interactions", PAIRS.replace("Less to round., sources: [000 matrix]", "Less."), "no source is named"),
        (
            "interactions",
            PAIRS.replace("id: prune-quantize,", "id: narrow,")
            .replace("verdict: ok", "verdict: ok, then_techniques: [gptq], first_techniques: [gptq]")
            .replace(
                "first: [quantize]\n        then: [prune]", "first: [prune, quantize]\n        then: [prune, quantize]"
            ),
            "'gptq' belongs to quantize, not to prune",
        ),
        ("orders", ORDERS.replace("[prune, quantize]", "[quantize, prune]"), "judged worse than the other way round"),
        (
            "orders",
            ORDERS.replace("text:", "departures: [{first: prune, then: quantize, because: b}], text:"),
            "listed as a departure but is none",
        ),
        (
            "catalog__gpus",
            "gpus: [{name: G, memory_gib: 8, bandwidth_gbs: 100, tflops: {}, capability: 8.0, source: acme}]\n",
            "no source is called 'acme'",
        ),
        (
            "disagreements",
            DISAGREEMENT.replace("sides:", "techniques: [gptw], sides:"),
            "no technique is called 'gptw'",
        ),
        (
            "disagreements",
            DISAGREEMENT.replace("sides:", "when: {fact: bits, known: true}, sides:"),
            "no fact is called 'bits'",
        ),
        (
            "disagreements",
            "disagreements: [{id: d, question: q, taken: t, because: b, families: [prune],"
            " sides: [{text: t, kind: source, source: 000 matrix}]}]\n",
            "it has one side",
        ),
    ],
)
def test_found(trees: Trees, name: str, text: str, expected: str) -> None:
    """The contradiction is found, and nothing else is."""
    findings = found(trees(**{"vocabulary": VOCABULARY, name: text}))
    assert len(findings) == 1, findings
    assert expected in findings[0]


def test_two_answers(trees: Trees) -> None:
    """Two entries that both always hold are found: the second could never decide."""
    second = PAIRS.replace(
        "    defaults:",
        "      - {id: b, first: prune, then: quantize, verdict: ok, because: b, sources: [000 matrix]}\n    defaults:",
    )
    findings = found(trees(vocabulary=VOCABULARY, interactions=second))
    assert findings == ["interactions.yaml default/prune-quantize: 2 entries answer the pair for every case"]


def test_executor_is_not_imported(trees: Trees) -> None:
    """An executor's module is looked for, not run."""
    root = trees(
        vocabulary=VOCABULARY,
        techniques__gptq=GPTQ.replace("why_not: Not here.", "executor: quantize.rounding"),
    )
    package = root.parent / "executors" / "quantize"
    package.mkdir(parents=True)
    (package / "rounding.py").write_text("raise SystemExit('imported')")
    assert found(root) == []


def test_findings_help(trees: Trees) -> None:
    """A finding names the nearest valid word."""
    root = trees(vocabulary=VOCABULARY, questions=QUESTIONS.replace("[gptq]", "[gptq, gptw]"))
    (root.parent / "executors").mkdir()
    (finding,) = lint(load_knowledge(root), root.parent / "executors")
    assert "'gptq'" in finding.tip
    assert finding.level == "error"
