"""`Calibration`: what this machine was measured to reach, once, in some ten seconds. It predicts nothing itself."""

from typing import Literal

from pydantic import Field

from advisor.domain.base import Frozen

NARROW, WIDE = 576, 2048
"""Hidden widths that are measured: a model of a hundred million parameters, and one of a billion or more."""


class DtypeRates(Frozen):
    """TFLOP/s in one number format. `matmul`: a bare multiplication; `train`: forward and backward pass of a decoder
    block with an adapter on every matrix, which is what a training reaches."""

    matmul_narrow: float = Field(gt=0, le=1e5)
    matmul_wide: float = Field(gt=0, le=1e5)
    train_narrow: float = Field(gt=0, le=1e5)
    train_wide: float = Field(gt=0, le=1e5)


class DeviceRates(Frozen):
    """One processor or one GPU."""

    name: str = ""
    """The GPU's; empty for the CPU."""
    bf16: DtypeRates
    fp32: DtypeRates
    copy_gbs: float = Field(gt=0, le=1e6)
    """GB/s (10**9 bytes) of copying large tensors, read and written bytes counted."""


class Calibration(Frozen):
    """`python -m executors.calibrate` prints one."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    threads: int = Field(ge=1)
    torch: str = ""
    """Version that was measured with."""
    seconds: float = Field(default=0.0, ge=0)
    """How long the measuring took."""
    cpu: DeviceRates
    gpus: tuple[DeviceRates, ...] = ()
    """One per name of GPU."""
    disk_write_mbs: float | None = Field(default=None, gt=0, le=1e6)
    """MB/s (10**6 bytes) of writing one file and syncing it; None: there was no room to try."""

    @property
    def id(self) -> str:
        """Short digest of the figures: what an estimate says it rests on."""
        import hashlib

        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]
