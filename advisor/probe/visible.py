"""Which GPUs CUDA would show a program, by the rules of `CUDA_VISIBLE_DEVICES`. Pure; asks neither NVML nor CUDA.

Source: CUDA C++ Programming Guide, "CUDA Environment Variables". The list ends at its first invalid entry; an entry is
an index in CUDA's order, the beginning of a UUID that fits one GPU only, or a MIG slice.
"""

from __future__ import annotations

from typing import Any


def is_visible(gpus: list[dict[str, Any]], wanted: str | None, order: str | None) -> list[bool]:
    """Per GPU (as `nvml_child` describes it): whether a CUDA program would see it.

    `wanted` is the value of CUDA_VISIBLE_DEVICES (None: unset, everything is seen), `order` of CUDA_DEVICE_ORDER.
    """
    if wanted is None:
        return [True] * len(gpus)
    shown: set[int] = set()
    for token in wanted.split(","):
        found = _match(token.strip(), gpus, order)
        if found is None:
            break
        shown.add(found)
    return [place in shown for place in range(len(gpus))]


def _match(token: str, gpus: list[dict[str, Any]], order: str | None) -> int | None:
    """The place of the GPU that an entry names; None for an invalid one."""
    if token.isdigit():
        return _by_number(int(token), gpus, order)
    if token.startswith("MIG-GPU-"):  # MIG-GPU-<uuid>/<gpu instance>/<compute instance>
        parent, _, instance = token.removeprefix("MIG-").partition("/")
        fits = [
            i
            for i, g in enumerate(gpus)
            if g.get("parent") == parent and "/".join(map(str, g.get("instance") or ())) == instance
        ]
    elif token.startswith(("GPU-", "MIG-")) and len(token) > 4:
        fits = [i for i, g in enumerate(gpus) if g["uuid"].startswith(token)]
    else:
        return None
    return fits[0] if len(fits) == 1 else None


def _by_number(number: int, gpus: list[dict[str, Any]], order: str | None) -> int | None:
    """An index counts whole GPUs; of a partitioned one CUDA takes the first slice."""
    firsts: dict[int, int] = {}
    for place, gpu in enumerate(gpus):
        firsts.setdefault(gpu["index"], place)
    places = list(firsts.values())
    if order != "PCI_BUS_ID":  # CUDA's default puts the fastest first and leaves equals in bus order
        places.sort(key=lambda p: (gpus[p].get("capability") or [0, 0], gpus[p].get("total") or 0), reverse=True)
    return places[number] if number < len(places) else None
