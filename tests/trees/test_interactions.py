"""What the two profiles say: the matrix of source 000 to the letter, and the widened one where it matters."""

from __future__ import annotations

import pytest

from advisor.domain.interaction import Interaction
from advisor.domain.knowledge import Knowledge
from advisor.domain.words import ActsOn, Family, Reach, Verdict
from advisor.knowledge.pairs import is_unconditional

MATRIX = {
    "distill": {"merge": "ok", "prune": "ok", "finetune": "best", "quantize": "ok"},
    "merge": {"distill": "bad", "prune": "ok", "finetune": "ok", "quantize": "ok"},
    "prune": {"distill": "ok", "merge": "ok", "finetune": "bad", "quantize": "ok"},
    "finetune": {"distill": "bad", "merge": "best", "prune": "bad", "quantize": "ok"},
    "quantize": {"distill": "bad", "merge": "bad", "prune": "bad", "finetune": "bad"},
}
"""First technique -> the one that follows -> verdict. The last row is the anti-pattern "quantize, then anything"."""


def entries(knowledge: Knowledge, first: str, then: str, profile: str = "default") -> list[Interaction]:
    return [i for i in knowledge.profile(profile).interactions if (i.first, i.then) == (first, then)]


def decided(
    knowledge: Knowledge, first: str, then: str, first_id: str = "", then_id: str = "", acts_on: str = "base"
) -> Interaction:
    """The entry that decides for two techniques when no fact is known."""
    return next(
        i
        for i in entries(knowledge, first, then)
        if i.when is None
        and (not i.first_techniques or first_id in i.first_techniques)
        and (not i.then_techniques or then_id in i.then_techniques)
        and (i.acts_on is not ActsOn.TEACHER or acts_on == "teacher")
    )


@pytest.mark.parametrize(("first", "then"), [(first, then) for first, row in MATRIX.items() for then in row])
def test_source_matrix(knowledge: Knowledge, first: str, then: str) -> None:
    """The profile `source-matrix` holds every cell of source 000 unchanged, with one answer each."""
    assert [i.verdict for i in entries(knowledge, first, then, "source-matrix")] == [MATRIX[first][then]]


def test_source_matrix_is_complete(knowledge: Knowledge) -> None:
    """It holds these twenty cells and the golden order, and nothing else."""
    profile = knowledge.profile("source-matrix")
    assert len(profile.interactions) == 20
    assert profile.golden_order == ("distill", "finetune", "merge", "prune", "quantize")


@pytest.mark.parametrize("first", list(Family))
def test_every_pair_answered(knowledge: Knowledge, first: Family) -> None:
    """The default profile answers every ordered pair of two families, unknown ones included."""
    for then in Family:
        found = entries(knowledge, first, then)
        assert (found and is_unconditional(found[-1])) or first == then, (first, then)


def test_unknown_says_so(knowledge: Knowledge) -> None:
    """A pair of which nothing is known says that, and at least one does."""
    unknown = [i for i in knowledge.profile("default").interactions if i.verdict is Verdict.NONE]
    assert unknown
    assert all(i.because.startswith("No interaction") for i in unknown)


@pytest.mark.parametrize("then", ["distill", "merge", "prune", "finetune", "pretrain", "align", "edit"])
def test_quantize_first_is_harmful_at_any_distance(knowledge: Knowledge, then: str) -> None:
    """Nothing that changes weights may follow quantization, however much later."""
    found = decided(knowledge, "quantize", then)
    assert (found.verdict, found.reach) == (Verdict.BAD, Reach.ANY)
    assert found.fix


@pytest.mark.parametrize(
    ("first", "first_id", "then", "then_id", "verdict"),
    [
        ("prune", "structured-pruning", "finetune", "lora", "best"),
        ("prune", "depth-pruning", "finetune", "full-sft", "best"),
        ("prune", "wanda", "finetune", "lora", "conditional"),
        ("prune", "wanda", "finetune", "full-sft", "bad"),
        ("prune", "wanda", "merge", "adapter-merge", "bad"),
        ("prune", "wanda", "merge", "ties-merge", "ok"),
        ("merge", "adapter-merge", "quantize", "gguf", "best"),
        ("finetune", "lora", "merge", "adapter-merge", "best"),
        ("finetune", "prefix-tuning", "merge", "adapter-merge", "impossible"),
        ("finetune", "lora", "quantize", "qat", "best"),
        ("finetune", "full-sft", "align", "dpo", "best"),
        ("finetune", "full-sft", "align", "orpo", "conditional"),
        ("quantize", "gguf", "finetune", "lora", "impossible"),
        ("quantize", "bnb-nf4", "finetune", "qlora", "conditional"),
        ("retrieve", "basic-rag", "finetune", "raft", "best"),
        ("efficiency", "fsdp", "efficiency", "deepspeed-zero", "impossible"),
        ("prune", "wanda", "distill", "response-distillation", "best"),
        ("distill", "response-distillation", "finetune", "lora", "best"),
    ],
)
def test_conditions_tell_techniques_apart(
    knowledge: Knowledge, first: str, first_id: str, then: str, then_id: str, verdict: str
) -> None:
    """What holds of a pair of families may differ for two techniques of them."""
    assert decided(knowledge, first, then, first_id, then_id).verdict == verdict


def test_teacher_and_student(knowledge: Knowledge) -> None:
    """Fine-tuning the teacher before distilling is wished for; fine-tuning the student is harmful at any distance."""
    assert decided(knowledge, "finetune", "distill", acts_on="teacher").verdict is Verdict.BEST
    student = decided(knowledge, "finetune", "distill")
    assert (student.verdict, student.reach) == (Verdict.BAD, Reach.ANY)


def test_finetune_then_prune_is_about_neighbours(knowledge: Knowledge) -> None:
    """The golden order puts a merge between fine-tuning and pruning, so only neighbours are judged harmful."""
    found = decided(knowledge, "finetune", "prune")
    assert (found.verdict, found.reach) == (Verdict.BAD, Reach.ADJACENT)
    assert found.disputed_by


@pytest.mark.parametrize(("bits", "verdict"), [(2, "bad"), (3, "conditional"), (4, "ok")])
def test_bits_decide(knowledge: Knowledge, bits: int, verdict: str) -> None:
    """The fewer bits, the worse rounding is for what fine-tuning gained."""
    found = next(
        i
        for i in entries(knowledge, "finetune", "quantize")
        if (not i.then_techniques or "gptq" in i.then_techniques)
        and (i.when is None or (i.when.at_most or 0) >= bits)
        and (not i.first_techniques or "lora" in i.first_techniques)
    )
    assert found.verdict == verdict


def test_prompt_figures(knowledge: Knowledge) -> None:
    """A prompt comes before every training, with the gains that source 000 reports."""
    for then in ("pretrain", "distill", "finetune", "align"):
        found = decided(knowledge, "prompt", then)
        assert found.verdict is Verdict.BEST
        assert set(found.evidence[0].numbers.values()) == {1.83, 25.4}
