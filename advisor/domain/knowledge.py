"""`Knowledge`: everything in `trees/`, checked and typed."""

from functools import cached_property

from advisor.domain.architecture import ModelShape
from advisor.domain.base import Frozen
from advisor.domain.interaction import Disagreement, Order, Profile
from advisor.domain.rule import Rule
from advisor.domain.technique import Technique
from advisor.domain.tree import DecisionTree


class Source(Frozen):
    """A source that entries name by `id`."""

    id: str
    title: str
    kind: str
    """source | paper | repository | vendor | documentation."""
    url: str = ""
    file: str = ""


class GpuSpec(Frozen):
    """One GPU model of the catalogue. Dense rates, without sparsity."""

    name: str
    aliases: tuple[str, ...] = ()
    memory_gib: float
    bandwidth_gbs: float
    """GB/s, 10**9 bytes."""
    tflops: dict[str, float]
    """By dtype: fp32, tf32, fp16, bf16, fp8, int8, fp4 (TFLOP/s or TOP/s)."""
    capability: float
    """CUDA compute capability, e.g. 8.9."""
    formats: tuple[str, ...] = ()
    """Number formats its matrix units compute in: fp16, bf16, int8, fp8, nvfp4, mxfp4, mxfp8, 2:4."""
    source: str = ""


class CatalogModel(Frozen):
    """One model architecture of the catalogue."""

    ids: tuple[str, ...]
    """Hub ids it stands for, the most common first."""
    shape: ModelShape
    params_b: float
    kind: str = "base"
    license: str = ""
    source: str = ""


class Catalog(Frozen):
    gpus: tuple[GpuSpec, ...] = ()
    models: tuple[CatalogModel, ...] = ()


class Practice(Frozen):
    """A principle, guide row, pattern or practice of the sources that is not a technique of its own."""

    id: str
    kind: str
    """principle | guide | pattern | pairing | strategy | anti-pattern | quick-reference | hierarchy | evaluation |
    tools | step."""
    title: str
    text: str
    techniques: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    numbers: dict[str, float | str] = {}
    sources: tuple[str, ...] = ()


class Knowledge(Frozen):
    tree: DecisionTree
    techniques: tuple[Technique, ...]
    profiles: tuple[Profile, ...]
    orders: tuple[Order, ...]
    disagreements: tuple[Disagreement, ...]
    rules: tuple[Rule, ...]
    sources: tuple[Source, ...]
    catalog: Catalog
    vocabulary: dict[str, dict[str, str]]
    """Vocabulary name -> word -> label."""
    practices: tuple[Practice, ...] = ()
    digest: str = ""
    """Hash of the files it was read from."""

    @cached_property
    def by_id(self) -> dict[str, Technique]:
        return {t.id: t for t in self.techniques}

    def technique(self, technique_id: str) -> Technique:
        """The technique of that id. Raises KeyError for an unknown one."""
        return self.by_id[technique_id]

    def profile(self, profile_id: str) -> Profile:
        """The interaction profile of that id. Raises KeyError for an unknown one."""
        for profile in self.profiles:
            if profile.id == profile_id:
                return profile
        raise KeyError(profile_id)
