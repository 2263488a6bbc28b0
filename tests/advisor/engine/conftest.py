"""What the engine's tests share: the real knowledge, and facts from an answers file on the hardware it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.domain.answers import Answers
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.profiles import CpuProfile, GpuProfile, HardwareProfile
from advisor.domain.recommendation import Recommendation
from advisor.engine.facts import build_facts
from advisor.engine.recommend import recommend
from advisor.knowledge import load_knowledge


def machine(answers: Answers) -> HardwareProfile:
    """The machine that the answers describe; two cores and 12 GiB of RAM where they are silent."""
    said = answers.hardware
    gpus = [
        GpuProfile(uuid=f"GPU-{kind}-{number}", name=gpu.name, total_gib=gpu.memory_gib, free_gib=gpu.memory_gib)
        for kind, gpu in enumerate((said.gpus if said else None) or ())
        for number in range(gpu.count)
    ]
    ram = (said.ram_gib if said else None) or 12.0
    disk = (said.disk_gib if said else None) or 100.0
    cpu = CpuProfile(cores=2, features=("avx2",))
    return HardwareProfile(gpus=tuple(gpus), cpu=cpu, ram_gib=ram, ram_free_gib=ram, disk_gib=disk)


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load_knowledge()


@pytest.fixture(scope="session")
def facts_of(knowledge: Knowledge) -> Callable[[Mapping[str, Any]], Facts]:
    """Facts of an answers file given as a mapping; a goal alone is enough."""

    def build(values: Mapping[str, Any]) -> Facts:
        answers = Answers.model_validate(values)
        return build_facts(knowledge, answers, machine(answers), None, None)

    return build


@pytest.fixture(scope="session")
def advise(knowledge: Knowledge, facts_of: Callable[[Mapping[str, Any]], Facts]) -> Callable[..., Recommendation]:
    """The recommendation for an answers file given as a mapping."""

    def run(values: Mapping[str, Any], profile: str = "default", with_flips: bool = False) -> Recommendation:
        return recommend(knowledge, facts_of(values), profile, with_flips)

    return run
