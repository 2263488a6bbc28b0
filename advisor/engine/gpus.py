"""GPU names matched to the catalogue, however they are written. It measures nothing and guesses no numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from advisor.domain.knowledge import GpuSpec

_NOISE = {"nvidia", "geforce", "tesla", "quadro", "gpu", "amd", "radeon", "instinct", "generation", "graphics", "card"}
_MEMORY = re.compile(r"^\d+(gb|gib|g)$")
_FORM = {"sxm", "sxm2", "sxm3", "sxm4", "sxm5", "pcie", "hbm2", "hbm2e", "hbm3", "hbm3e", "nvl"}


def words(name: str) -> tuple[str, ...]:
    """The words of a GPU name that tell models apart: `NVIDIA GeForce RTX 4090` -> `("rtx", "4090")`."""
    spaced = re.sub(r"[^a-z0-9]+", " ", name.lower())
    spaced = re.sub(r"\b(rtx|gtx)(\d)", r"\1 \2", spaced)
    spaced = re.sub(r"\b(\d{4})(ti|super)\b", r"\1 \2", spaced)
    return tuple(w for w in spaced.split() if w not in _NOISE)


def match(name: str, memory_gib: float | None, catalog: Iterable[GpuSpec]) -> GpuSpec | None:
    """The catalogue's GPU of that name; among variants of a name, the one nearest in memory. None when unknown."""
    wanted = [w for w in words(name) if not _MEMORY.match(w)]
    if not wanted:
        return None
    best: tuple[tuple[float, ...], GpuSpec] | None = None
    for spec in catalog:
        for spelling in (spec.name, *spec.aliases):
            has = [w for w in words(spelling) if not _MEMORY.match(w)]
            distance = _distance(wanted, has)
            if distance is None:
                continue
            rank = (distance, abs(spec.memory_gib - memory_gib) if memory_gib else 0.0)
            if best is None or rank < best[0]:
                best = (rank, spec)
    return best[1] if best else None


def _distance(wanted: list[str], has: list[str]) -> float | None:
    """0 for the same words; a form factor more or less does not count as another model. None: another model."""
    core_wanted, core_has = [w for w in wanted if w not in _FORM], [w for w in has if w not in _FORM]
    if not core_has or not core_wanted:
        return None
    if core_wanted[: len(core_has)] == core_has and _is_suffix_harmless(core_wanted[len(core_has) :]):
        return float(set(wanted) != set(has)) * 0.5 + 0.1 * (len(core_wanted) - len(core_has))
    return None


def _is_suffix_harmless(rest: list[str]) -> bool:
    """Words after the model that do not make it another one, such as `MIG 1g.5gb` or `Laptop`."""
    return (
        not rest or rest[0] in {"mig", "1g", "2g", "3g", "4g", "7g"} or all(w.isdigit() and len(w) <= 2 for w in rest)
    )
