"""The recommendation as text, Markdown, HTML and JSON, all from one list of blocks.

It shows what the engine decided and decides nothing.
"""

from __future__ import annotations

from typing import Any

from advisor.domain.estimate import ChainEstimate
from advisor.domain.interaction import Disagreement
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import Reason, Recommendation, StackEntry
from advisor.report.contract import to_json
from advisor.report.document import (
    Block,
    Bullet,
    Bullets,
    Code,
    Heading,
    Paragraph,
    Table,
    to_html,
    to_markdown,
    to_text,
)
from advisor.report.units import duration, duration_range, gib, gib_range, quality

TITLE = "Technique recommendation"


def render(recommendation: Recommendation, form: str, knowledge: Knowledge) -> str:
    """The report in `form` (text | markdown | html | json). Identical input gives identical bytes."""
    if form == "json":
        return to_json(recommendation)
    blocks = build(recommendation, knowledge)
    if form == "markdown":
        return to_markdown(blocks)
    return to_html(blocks, TITLE) if form == "html" else to_text(blocks)


def build(recommendation: Recommendation, knowledge: Knowledge) -> list[Block]:
    """The whole report as blocks."""
    titles = {source.id: source.title for source in knowledge.sources}
    blocks: list[Block] = [Heading(TITLE, 1)]
    blocks += _situation(recommendation)
    if recommendation.feasible:
        blocks += _stack(recommendation)
        blocks += why_blocks(recommendation)
    else:
        blocks.append(Paragraph("Nothing is feasible here. Each technique's reason stands under Rejected."))
    blocks += warning_blocks(recommendation, knowledge)
    blocks += _order(recommendation)
    blocks += others_blocks(recommendation)
    blocks += _sources(recommendation, titles)
    if recommendation.next_command:
        blocks += [Heading("Next"), Code(recommendation.next_command)]
    return blocks


def _situation(recommendation: Recommendation) -> list[Block]:
    facts = recommendation.facts
    model = facts.get("model_id") or "a model"
    if facts.get("model_params_b"):
        model += f" ({facts['model_params_b']:.3g} B parameters)"
    if facts.get("has_gpu"):
        machine = f"{facts['gpu_count']} x {facts.get('gpu_name') or 'GPU'}, {gib(facts['gpu_gib'] or 0)} GiB free each"
    else:
        machine = "no GPU"
    machine += f", {gib(facts['ram_gib'])} GiB of RAM free" if facts.get("ram_gib") else ""
    machine += " (simulated)" if facts.get("is_simulated") else ""
    goals = ", then ".join(facts.get("goals") or [str(facts.get("goal"))])
    lines = [f"Goal: {goals}.", f"Model: {model}.", f"Machine: {machine}."]
    if facts.get("data_kind"):
        amount = f", {facts['data_examples']:,} examples" if facts.get("data_examples") else ""
        lines.append(f"Data: {facts['data_kind']}{amount}.")
    return [Paragraph(" ".join(lines))]


def _stack(recommendation: Recommendation) -> list[Block]:
    rows = []
    for number, entry in enumerate(recommendation.stack, 1):
        estimate = entry.estimate
        rows.append(
            (
                str(number),
                entry.technique,
                entry.acts_on.value,
                gib_range(estimate.gpu_gib),
                gib_range(estimate.ram_gib),
                gib_range(estimate.disk_gib),
                duration_range(estimate.seconds),
                quality(estimate.quality.range, estimate.quality.unit),
                runs_here(entry),
            )
        )
    columns = ("#", "technique", "acts on", "GPU GiB", "RAM GiB", "disk GiB", "time", "quality", "runs here")
    chain = recommendation.chain
    total = (
        f"Whole chain: peak {gib(chain.peak_gpu_gib)} GiB of GPU memory, {gib(chain.peak_ram_gib)} GiB of RAM, "
        f"{gib(chain.peak_disk_gib)} GiB of disk, about {duration(chain.seconds)}{measuring(chain)}. "
        "Figures are expected [low-high]."
    )
    name = f"Stack: {recommendation.pipeline}" if recommendation.pipeline else "Stack"
    return [
        Heading(name),
        Table(columns, tuple(rows), frozenset({0})),
        Paragraph(total),
        *_not_yet(recommendation),
        *_rests_on(recommendation),
    ]


def runs_here(entry: StackEntry) -> str:
    """Whether a step is executed: yes, not yet (something is missing in the answers), or never (it is advice)."""
    return ("not yet" if entry.not_yet else "yes") if entry.executable else "advice"


def measuring(chain: ChainEstimate) -> str:
    """What of the chain's time goes into measuring the model, in words."""
    if not chain.evaluations:
        return ""
    return f", {duration(chain.evaluation_seconds)} of it for {chain.evaluations} evaluations"


def _not_yet(recommendation: Recommendation) -> list[Block]:
    """What is missing before steps can be executed."""
    missing = [entry for entry in recommendation.stack if entry.executable and entry.not_yet]
    return [Bullets(tuple(Bullet(f"{e.technique} does not run yet: {e.not_yet}") for e in missing))] if missing else []


def _rests_on(recommendation: Recommendation) -> list[Block]:
    """What was measured on this machine and went into the estimates."""
    noted = [(entry.technique, entry.estimate.notes) for entry in recommendation.stack if entry.estimate.notes]
    return [Bullets(tuple(Bullet(f"{technique}: {'; '.join(notes)}.") for technique, notes in noted))] if noted else []


def why_blocks(recommendation: Recommendation) -> list[Block]:
    items = [Bullet(f"{entry.technique}{_named(entry)}", _reasons(entry.because)) for entry in recommendation.stack]
    blocks: list[Block] = [Heading("Why"), Bullets(tuple(items), is_numbered=True)]
    if recommendation.supports:
        with_them = [Bullet(s.technique, _reasons(s.because)) for s in recommendation.supports]
        blocks += [Heading("Together with"), Bullets(tuple(with_them))]
    return blocks


def _named(entry: StackEntry) -> str:
    settings = ", ".join(f"{k} {v}" for k, v in entry.config.items() if isinstance(v, str | int | float))
    name = f": {entry.name}" if entry.name else ""
    return f"{name} ({settings})" if settings else name


def _reasons(reasons: tuple[Reason, ...]) -> tuple[str, ...]:
    return tuple(f"{r.text} [{r.source}]" if r.source else r.text for r in reasons)


def warning_blocks(recommendation: Recommendation, knowledge: Knowledge) -> list[Block]:
    """What to watch, each with its fix; then where sources disagree, each side with its source and the side taken."""
    disputed = {entry.id: entry for entry in knowledge.disagreements}
    items, sides = [], []
    for warning in recommendation.warnings:
        pair = f"{warning.first} -> {warning.then}: " if warning.first and warning.then else ""
        if warning.code in disputed:
            sides.append(_disagreement(disputed[warning.code], pair))
            continue
        details = [f"fix: {warning.fix}"] if warning.fix else []
        details += [f"sources: {', '.join(warning.sources)}"] if warning.sources else []
        items.append(Bullet(f"{warning.severity.value.upper()} {pair}{warning.text}", tuple(details)))
    blocks: list[Block] = [Heading("Warnings"), Bullets(tuple(items))] if items else []
    if sides:
        blocks += [Heading("Where sources disagree"), Bullets(tuple(sides))]
    return blocks


def _disagreement(entry: Disagreement, pair: str) -> Bullet:
    details = [f"{side.text} [{side.source}]" for side in entry.sides]
    details.append(f"taken: {entry.taken} {entry.because}")
    details += [f"measure it: {entry.measurable}"] if entry.measurable else []
    return Bullet(f"{pair}{entry.question}", tuple(details))


def _order(recommendation: Recommendation) -> list[Block]:
    if not recommendation.order:
        return []
    items = [
        Bullet(f"{p.first} -> {p.then}: {p.verdict}. {p.because}{_cited(p.sources)}") for p in recommendation.order
    ]
    return [Heading("Why this order"), Bullets(tuple(items))]


def _cited(sources: tuple[str, ...]) -> str:
    return f" [{'; '.join(sources)}]" if sources else ""


def others_blocks(recommendation: Recommendation) -> list[Block]:
    blocks: list[Block] = []
    if recommendation.alternatives:
        items = [Bullet(f"{' -> '.join(a.stack)}: {a.why_not_first}") for a in recommendation.alternatives]
        blocks += [Heading("Alternatives"), Bullets(tuple(items))]
    if recommendation.rejected:
        items = [
            Bullet(f"{r.technique}: {r.because}{_cited((r.source,) if r.source else ())}")
            for r in recommendation.rejected
        ]
        blocks += [Heading("Rejected"), Bullets(tuple(items))]
    if recommendation.flips:
        items = [
            Bullet(f"{f.fact} {_value(f.from_)} -> {_value(f.to)}: {' -> '.join(f.stack) or 'nothing feasible'}")
            for f in recommendation.flips
        ]
        blocks += [Heading("What would change this advice"), Bullets(tuple(items))]
    if recommendation.defaults:
        items = [Bullet(f"{d.key} = {d.value}: {d.because}") for d in recommendation.defaults]
        blocks += [Heading("Taken, since not given"), Bullets(tuple(items))]
    return blocks


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _sources(recommendation: Recommendation, titles: dict[str, str]) -> list[Block]:
    cited = [r.source for e in recommendation.stack for r in e.because]
    cited += [r.source for s in recommendation.supports for r in s.because]
    cited += [s for w in recommendation.warnings for s in w.sources]
    cited += [s for p in recommendation.order for s in p.sources]
    ids = sorted({reference.split(" ")[0] for reference in cited if reference})
    items = tuple(Bullet(f"{i}: {titles[i]}") for i in ids if i in titles)
    return [Heading("Sources"), Bullets(items)] if items else []
