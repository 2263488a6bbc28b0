"""The whole way from answers to advice: probe what was not said, build facts, recommend.

Front ends call this; it decides nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.domain.answers import Answers, GpuAnswer
from advisor.domain.errors import AdvisorError
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.profiles import DataProfile, HardwareProfile, ModelProfile
from advisor.domain.recommendation import Recommendation
from advisor.domain.record import record

if TYPE_CHECKING:
    from advisor.domain.plan import Plan


@dataclass(frozen=True)
class Overrides:
    """Hardware to simulate instead of what the probes see."""

    gpus: tuple[GpuAnswer, ...] = ()
    no_gpu: bool = False
    ram_gib: float | None = None

    @property
    def is_any(self) -> bool:
        return bool(self.gpus) or self.no_gpu or self.ram_gib is not None


@record
class Advice:
    """A recommendation with everything it was made from."""

    knowledge: Knowledge
    answers: Answers
    facts: Facts
    recommendation: Recommendation
    hardware: HardwareProfile


def advise(
    answers: Answers,
    overrides: Overrides | None = None,
    profile: str = "default",
    knowledge: Knowledge | None = None,
) -> Advice:
    """Advice for `answers` on this machine, or on the simulated one. `knowledge`: where it is loaded already.

    Raises AdvisorError for an id in `avoid` or `use` that is no technique, and for a model or data set that cannot be
    read.
    """
    from advisor.engine.facts import build_facts
    from advisor.engine.recommend import recommend
    from advisor.knowledge import load_knowledge

    knowledge = knowledge or load_knowledge()
    _check_avoid(answers, knowledge)
    _check_further(answers)
    hardware = hardware_of(answers, overrides or Overrides())
    facts = build_facts(knowledge, answers, hardware, model_of(answers, knowledge), data_of(answers))
    if answers.teacher.id is not None and answers.model.id is not None:
        from advisor.runs.prepare import shares_vocabulary

        shared = shares_vocabulary(answers.model.id, answers.teacher.id)
        facts = facts.model_copy(update={"teacher_shares_vocabulary": shared})
    return Advice(knowledge, answers, facts, recommend(knowledge, facts, profile), hardware)


def advise_file(path: str, overrides: Overrides | None = None, profile: str = "default") -> Advice:
    """The same for an answers file; a fault in it is named by file, line and key."""
    from advisor.files import read_answers
    from advisor.knowledge import load_knowledge

    knowledge = load_knowledge()
    return advise(read_answers(path, knowledge.by_id), overrides, profile, knowledge)


def plan_of(advice: Advice) -> Plan:
    """The executable plan of the advice. Raises AdvisorError when nothing in the stack can be executed here."""
    from advisor.engine.compile import compile_plan

    return compile_plan(advice.recommendation, advice.knowledge, advice.facts)


def hardware_of(answers: Answers, overrides: Overrides) -> HardwareProfile:
    """This machine as the probes see it, with what the answers or the overrides put in its place."""
    from advisor.probe.hardware import probe_hardware, simulate

    said = answers.hardware
    profile = experienced(probe_hardware())
    if said is not None and said.gpus is not None and not overrides.gpus and not overrides.no_gpu:
        gpus = tuple((g.name, g.memory_gib, g.count) for g in said.gpus)
        profile = simulate(profile, gpus=gpus, no_gpu=not gpus, ram_gib=said.ram_gib)
    elif said is not None and said.ram_gib is not None:
        profile = simulate(profile, ram_gib=said.ram_gib)
    if overrides.is_any:
        gpus = tuple((g.name, g.memory_gib, g.count) for g in overrides.gpus)
        profile = simulate(profile, gpus=gpus or None, no_gpu=overrides.no_gpu, ram_gib=overrides.ram_gib)
    if said is not None and said.disk_gib is not None:
        profile = profile.model_copy(update={"disk_gib": said.disk_gib})
    return profile


def experienced(profile: HardwareProfile) -> HardwareProfile:
    """The machine with its calibration and what earlier runs on it say of estimates."""
    from advisor.probe.calibration import identity, read_calibration
    from advisor.runs.measurements import corrections, read_measurements

    machine, calibration = identity(profile), read_calibration(profile)
    found = read_measurements()
    taught = corrections(found, machine, calibration.id if calibration else "") if found else ()
    return profile.model_copy(update={"identity": machine, "calibration": calibration, "corrections": taught})


def model_of(answers: Answers, knowledge: Knowledge) -> ModelProfile | None:
    """What is known of the model by its id or folder; None when no id was given."""
    if answers.model.id is None:
        return None
    from advisor.probe.model import probe_model

    return probe_model(answers.model.id, knowledge.catalog)


def data_of(answers: Answers) -> DataProfile | None:
    """What a quick look at the data file says; None when no path was given."""
    if answers.data.path is None:
        return None
    from advisor.probe.data import probe_data

    return probe_data(answers.data.path, quick=True, kind=answers.data.kind)


def _check_further(answers: Answers) -> None:
    """Further data is named and looked at later, by the step that reads it; that it is there is checked here, like the
    main data. Raises AdvisorError."""
    said = answers.data
    named = {
        "data.then.path": said.then.path if said.then else None,
        "data.general.path": said.general.path if said.general else None,
        "data.documents": said.documents,
    }
    for key, path in named.items():
        if path is not None and not path.startswith("builtin:") and not Path(path).expanduser().exists():
            raise AdvisorError(f"{key}: there is no data at {path}", hint="check the path, or leave the key out")


def _check_avoid(answers: Answers, knowledge: Knowledge) -> None:
    for key in ("avoid", "use"):
        unknown = [word for word in getattr(answers, key) if word not in knowledge.by_id]
        if unknown:
            from advisor.files.validate import did_you_mean

            raise AdvisorError(
                f"{key}: {unknown[0]!r} is no technique{did_you_mean(unknown[0], knowledge.by_id)}",
                hint="advisor techniques lists them",
            )
