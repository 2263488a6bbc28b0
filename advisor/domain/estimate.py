"""What an estimate is asked and what it answers (contract section 4). Memory in GiB (2**30 bytes), per GPU."""

from typing import Literal

from pydantic import Field

from advisor.domain.architecture import ModelShape
from advisor.domain.base import Frozen


class Range(Frozen):
    """A quantity with its uncertainty: low <= expected <= high."""

    low: float
    expected: float
    high: float


class Quality(Frozen):
    """Expected change of quality, with what is known of it. `range` None: nothing is known."""

    range: Range | None = None
    unit: str = ""
    """e.g. `% of perplexity`, `points of accuracy`."""
    text: str = ""
    sources: tuple[str, ...] = ()


class EstimateModel(Frozen):
    id: str | None = None
    config: str | None = None
    params_b: float | None = Field(default=None, gt=0)


class EstimateQuant(Frozen):
    bits: float = 16
    type: str = "none"
    double: bool = False


class EstimateLora(Frozen):
    rank: int = Field(default=8, ge=1)
    targets: str | tuple[str, ...] = "all-linear"


class EstimateRequest(Frozen):
    """One step, on one kind of machine."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    model: EstimateModel = EstimateModel.model_construct()
    shape: ModelShape | None = None
    """Filled by the caller from config.json or the catalogue; the pure engine reads no files."""
    teacher: ModelShape | None = None
    method: str = "lora"
    precision: Literal["fp32", "bf16", "bf16-mixed", "fp16", "fp16-mixed"] = "bf16"
    quant: EstimateQuant = EstimateQuant.model_construct()
    micro_batch: int = Field(default=1, ge=1)
    accumulation: int = Field(default=1, ge=1)
    """Micro batches per optimizer step; above 1 gradients stay in memory between them."""
    seq_len: int = Field(default=2048, ge=1)
    gradient_checkpointing: bool = False
    optimizer: str = "adamw"
    lora: EstimateLora = EstimateLora.model_construct()
    attention: Literal["flash", "sdpa", "eager"] = "flash"
    gpus: int = Field(default=1, ge=1)
    sharding: Literal["none", "ddp", "zero1", "zero2", "zero3", "fsdp"] = "none"
    flat_units: bool = False
    """FSDP1 whose units hold frozen and trained weights in one flat parameter (`use_orig_params=True`, one unit a
    block): its gradient covers the frozen ones too."""
    by_executors: bool = False
    """Run by this program's executors: ZeRO by PyTorch instead of DeepSpeed, with what they keep at each stage, and
    fp32 masters of 16-bit weights that are trained."""
    count: Literal["allocated", "reserved", "nvml"] = "allocated"


class Terms(Frozen):
    """The parts of the peak, GiB per GPU. They sum to the expected peak."""

    weights: float = 0.0
    adapters: float = 0.0
    gradients: float = 0.0
    optimizer: float = 0.0
    activations: float = 0.0
    logits: float = 0.0
    temporary: float = 0.0
    context: float = 0.0


class Estimate(Frozen):
    schema_: Literal[1] = Field(default=1, alias="schema")
    peak_gib: Range
    terms: Terms
    assumptions: tuple[str, ...] = ()


class Basis(Frozen):
    """What an estimate was made with, so that a measurement can correct later ones of the same kind and no others."""

    version: int
    """Of the formulas."""
    method: str
    """The estimate method (`lora`, `merge`, ...)."""
    params: int = 0
    """Of the model."""
    tokens: float = 0.0
    """Worked through; 0 where the work is not counted in tokens."""
    calibration: str = ""
    """Id of the calibration that the time rests on; empty: defaults."""
    machine: str = ""
    """Identity of the machine it was made for; empty: simulated, or not known."""
    factors: dict[str, float] = Field(default_factory=dict)
    """Quantity -> factor by which earlier runs corrected it: divided by it, the figure is the formula's own."""
    settings: str = ""
    """Digest of the configuration it was made for, set when a plan is compiled: an edited step is another one."""


class StepEstimate(Frozen):
    """What one step of a stack costs. None: it does not apply (no GPU memory for a CPU step)."""

    gpu_gib: Range | None = None
    ram_gib: Range | None = None
    disk_gib: Range | None = None
    seconds: Range | None = None
    quality: Quality = Quality.model_construct()
    terms: Terms | None = None
    notes: tuple[str, ...] = ()
    """What the figures rest on beside the formulas: a calibration, corrections by earlier runs."""
    basis: Basis | None = None


class ChainEstimate(Frozen):
    """The whole chain: peaks are the largest of any step; disk counts every artifact kept."""

    peak_gpu_gib: float = 0.0
    peak_ram_gib: float = 0.0
    peak_disk_gib: float = 0.0
    seconds: float = 0.0
    """All steps and evaluations."""
    evaluations: int = 0
    """Times that the model is measured: the baseline, and after each step that is executed here."""
    evaluation_seconds: float = 0.0
    """What these take of `seconds`."""
