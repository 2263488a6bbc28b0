"""Flips: which single fact, changed, would change the advice. Found by running the engine again, never by prose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from advisor.domain.facts import Facts
from advisor.domain.recommendation import Flip
from advisor.domain.record import record
from advisor.engine.stack import Situation, decide

AT_MOST = 6
SMALL_GPU_GIB = 24.0
"""The GPU imagined where there is none: the largest common consumer card."""
FEW_EXAMPLES = 50
"""Where prompting ends and training begins (see the rules)."""
KINDS_TO_TRY = ("preferences", "feedback", "rewards", "tool-calls", "documents", "text", "instructions", "facts")
UNMEASURED: dict[str, Any] = {
    **dict.fromkeys(
        ("measured_tflops", "measured_tflops_fp32", "measured_bandwidth", "measured_disk_mbs", "calibration", "machine")
    ),
    "corrections": (),
}
"""What was measured on this machine says nothing of an imagined one."""


@record
class Change:
    """One fact with another value, under its name in the answers file."""

    fact: str
    before: Any
    after: Any
    facts: Facts


def find(situation: Situation, stack: tuple[str, ...], is_feasible: bool) -> tuple[Flip, ...]:
    """The changes that give another stack, at most six. For an infeasible situation, those that make it feasible."""
    flips: list[Flip] = []
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for change in changes(situation.facts, is_feasible):
        _, assembled = decide(situation.with_facts(change.facts))
        is_news = assembled.ids != stack if is_feasible else assembled.is_feasible
        if not is_news or (change.fact, assembled.ids) in seen:
            continue
        seen.add((change.fact, assembled.ids))
        flips.append(
            Flip.model_validate(
                {"fact": change.fact, "from": change.before, "to": change.after, "stack": assembled.ids}
            )
        )
        if len(flips) == AT_MOST:
            break
    return tuple(flips)


def changes(facts: Facts, is_feasible: bool) -> Iterator[Change]:
    """The single changes worth trying, the likeliest first."""
    yield from _memory(facts, is_feasible)
    yield from _data(facts, is_feasible)
    if facts.model_quantized is not None:
        yield _change(facts, "model.quantized", facts.model_quantized, None, model_quantized=None)
    if facts.model_same_base is False:
        yield _change(facts, "model.same_base", False, True, model_same_base=True)
    yield from _serving(facts)
    if facts.goal == "expand-knowledge" or facts.data_kind == "preferences":
        other = "base" if facts.model_kind == "instruct" else "instruct"
        yield _change(facts, "model.kind", facts.model_kind, other, model_kind=other)
    if not is_feasible:
        yield from _asked_for(facts)
        if facts.model_params_b is not None:
            yield from _smaller_model(facts)
    for technique_id in facts.avoid:
        rest = tuple(word for word in facts.avoid if word != technique_id)
        yield _change(facts, "avoid", list(facts.avoid), list(rest), avoid=rest)


def _change(facts: Facts, name: str, before: Any, after: Any, **update: Any) -> Change:
    return Change(name, before, after, facts.model_copy(update=update))


def _memory(facts: Facts, is_feasible: bool) -> Iterator[Change]:
    if not facts.has_gpu:
        gib = SMALL_GPU_GIB
        update = {"has_gpu": True, "gpu_name": "GPU", "gpu_gib": gib, "gpu_total_gib": gib, "gpu_count": 1}
        yield _change(facts, "hardware.gpus", [], [f"GPU, {gib:g} GiB"], **update, **UNMEASURED)
        for factor in () if is_feasible else (2, 4, 8, 16, 32, 64):
            ram = (facts.ram_gib or 0.0) * factor
            served = {"serve_gib": ram} if facts.serve_gib == facts.ram_gib else {}
            yield _change(facts, "hardware.ram_gib", facts.ram_gib, ram, ram_gib=ram, **served)
        return
    gib = facts.gpu_gib or 0.0
    for scale in (2.0, 0.5) if is_feasible else (2.0, 4.0, 8.0):
        total = gib * scale * facts.gpu_count
        update = {"gpu_gib": gib * scale, "gpu_total_gib": total, **_served(facts, total)}
        yield _change(facts, "hardware.gpus[0].memory_gib", gib, gib * scale, **update)
    for count in (2, 4, 8) if not is_feasible else ():
        if count > facts.gpu_count:
            update = {"gpu_count": count, "gpu_total_gib": gib * count, **_served(facts, gib * count)}
            yield _change(facts, "hardware.gpus[0].count", facts.gpu_count, count, **update)
    if is_feasible:
        none: dict[str, Any] = {
            "has_gpu": False,
            "gpu_name": None,
            "gpu_gib": None,
            "gpu_count": 0,
            "gpu_total_gib": 0.0,
        }
        none |= {"gpu_formats": (), "gpu_capability": None, **UNMEASURED}
        yield _change(facts, "hardware.gpus", [facts.gpu_name], [], **none)


def _served(facts: Facts, total: float) -> dict[str, float]:
    """Serving happens on the same GPUs unless another was named."""
    is_same = facts.serve_target == "gpu" and facts.serve_gpu == facts.gpu_name
    return {"serve_gib": total} if is_same else {}


def _data(facts: Facts, is_feasible: bool) -> Iterator[Change]:
    examples = facts.data_examples
    if examples is not None and facts.data_kind not in ("none", None):
        more = max(examples, FEW_EXAMPLES) * 20
        yield _change(facts, "data.examples", examples, more, data_examples=more)
        if examples > FEW_EXAMPLES and is_feasible:
            yield _change(facts, "data.examples", examples, FEW_EXAMPLES, data_examples=FEW_EXAMPLES)
    if facts.data_kind in ("none", None) and facts.goal == "change-behavior":
        update = {"data_kind": "instructions", "data_examples": 1000}
        yield _change(facts, "data.kind", facts.data_kind or "none", "instructions", **update)
    if facts.data_tokens is not None and examples is None:
        more = facts.data_tokens * 20
        yield _change(facts, "data.tokens", facts.data_tokens, more, data_tokens=more)


def _asked_for(facts: Facts) -> Iterator[Change]:
    """What techniques ask for that nobody said: data of another kind, a teacher, variants to merge."""
    for kind in KINDS_TO_TRY:
        if kind != facts.data_kind:
            examples = facts.data_examples or 1000
            yield _change(facts, "data.kind", facts.data_kind, kind, data_kind=kind, data_examples=examples)
    if not facts.has_teacher:
        size = (facts.model_params_b or 1.0) * 4
        yield _change(facts, "teacher.params_b", None, size, has_teacher=True, teacher_params_b=size)
    if facts.model_count < 2:
        yield _change(facts, "model.count", facts.model_count, 3, model_count=3, model_same_base=True)
    if facts.compute != "api":
        yield _change(facts, "compute", facts.compute, "api", compute="api")


def _serving(facts: Facts) -> Iterator[Change]:
    if "optimize" not in facts.goals and facts.serve_bits is None:
        return
    if facts.serve_target == "gpu":
        batch = 1 if facts.serve_batch > 8 else 64
        yield _change(facts, "serve.batch", facts.serve_batch, batch, serve_batch=batch)
        yield _change(facts, "serve.target", "gpu", "cpu", serve_target="cpu", serve_gib=facts.ram_gib)
    if facts.serve_bits is not None:
        yield _change(facts, "serve.bits", facts.serve_bits, None, serve_bits=None)


def _smaller_model(facts: Facts) -> Iterator[Change]:
    from advisor.engine.estimate.shapes import shape_from_params

    size = facts.model_params_b or 0.0
    for factor in (2, 4, 8, 16, 32):
        smaller = float(f"{size / factor:.3g}")  # digits that count, not decimals: a small model does not become none
        update = {"model_params_b": smaller, "model_shape": shape_from_params(smaller), "model_id": None}
        yield _change(facts, "model.params_b", size, smaller, **update)
