"""`HardwareProfile`, `ModelProfile`, `DataProfile`: what the probes saw. Unknown is None, never 0."""

from enum import StrEnum

from pydantic import Field

from advisor.domain.architecture import ModelShape
from advisor.domain.base import Frozen
from advisor.domain.calibration import Calibration
from advisor.domain.measurement import Correction
from advisor.domain.words import DataKind


class GpuStatus(StrEnum):
    """What NVML said."""

    OK = "ok"
    NO_DRIVER = "no-driver"
    """The library is missing: no NVIDIA driver on this machine."""
    DRIVER_NOT_LOADED = "driver-not-loaded"
    VERSION_MISMATCH = "version-mismatch"
    NO_PERMISSION = "no-permission"
    GPU_LOST = "gpu-lost"
    NO_GPU = "no-gpu"
    TIMEOUT = "timeout"
    UNKNOWN_ERROR = "unknown-error"
    SIMULATED = "simulated"


class GpuProfile(Frozen):
    """One GPU or MIG slice. Memory in GiB (2**30 bytes)."""

    uuid: str
    name: str
    total_gib: float | None = None
    free_gib: float | None = None
    compute_capability: str | None = None
    index: int | None = None
    is_mig: bool = False
    is_unified: bool = False
    """The GPU shares the host's memory."""
    is_visible: bool = True
    """False when CUDA_VISIBLE_DEVICES hides it."""
    temperature_c: float | None = None
    utilization_percent: float | None = None
    power_watt: float | None = None


class CpuProfile(Frozen):
    name: str = ""
    cores: int | None = None
    """Cores this process may use, cgroup quota and affinity counted."""
    features: tuple[str, ...] = ()
    """Those that matter here: avx2, avx512f, avx512_bf16, amx_bf16, amx_int8, neon, ..."""


class HardwareProfile(Frozen):
    gpus: tuple[GpuProfile, ...] = ()
    status: GpuStatus = GpuStatus.NO_GPU
    remedy: str = ""
    """One line: what to do when the status is not ok."""
    driver: str | None = None
    cpu: CpuProfile = CpuProfile.model_construct()
    ram_gib: float | None = None
    """Total, cgroup limit counted."""
    ram_free_gib: float | None = None
    disk_gib: float | None = None
    """Free where runs are written."""
    notes: tuple[str, ...] = ()
    """What may surprise about this machine, one sentence each, e.g. a cgroup limit below the RAM built in."""
    platform: str = ""
    is_wsl: bool = False
    is_simulated: bool = False
    identity: str = ""
    """Digest of what measured figures hold for; empty: not asked for, or simulated."""
    calibration: Calibration | None = None
    """What this machine was measured to reach; never on simulated hardware."""
    corrections: tuple[Correction, ...] = ()
    """What earlier runs on this machine say of its estimates; never on simulated hardware."""


class ModelProfile(Frozen):
    id: str
    path: str | None = None
    """Local folder, when there is one."""
    shape: ModelShape | None = None
    params_b: float | None = None
    kind: str | None = None
    """base | instruct; instruct when a chat template is present."""
    quantized: str | None = None
    dtype: str | None = None
    disk_bytes: int | None = None
    context_length: int | None = None
    origin: str = "unknown"
    """local | builtin | catalog | name: where the facts come from."""


class TokenLengths(Frozen):
    p50: int
    p95: int
    max: int


class BadRow(Frozen):
    line: int
    """Line, or row number where the format has no lines."""
    reason: str
    file: str = ""
    """Name of the file, when the data is a folder."""


class DataProfile(Frozen):
    path: str
    shape: str = "unknown"
    """messages | alpaca | sharegpt | prompt-completion | preferences | labels | tool-calls | text | documents | ..."""
    kind: DataKind = DataKind.NONE
    rows: int = 0
    bad_rows: tuple[BadRow, ...] = ()
    bad_row_count: int = 0
    tokens: TokenLengths | None = None
    tokens_total: int | None = None
    tokens_exact: bool = False
    """False: estimated from characters; True: counted by the model's tokenizer."""
    is_estimated: bool = False
    """True: rows and lengths come from the beginning of the data and its size."""
    bytes: int | None = None
    splits: dict[str, int] = Field(default_factory=dict)
    """Rows per split, when the data has splits of its own."""
    empty_rows: int = 0
    """Rows with nothing to learn from: no text, or no answer."""
    equal_preferences: int = 0
    """Rows whose chosen and rejected answers are the same."""
    leaked_rows: int = 0
    """Held-out rows that ask what a training row asks."""
    secret_rows: int = 0
    """Rows that seem to hold a password, key or token."""
    languages: tuple[str, ...] = ()
    """Dominant languages or scripts, most common first, as hints."""
    duplicates: int = 0
    file_format: str = ""
    findings: tuple[str, ...] = ()
    suggested: tuple[str, ...] = Field(default=())
    """Technique ids this shape calls for."""
