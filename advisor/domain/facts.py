"""`Facts`: answers and profiles, flat and typed: the engine's only input."""

from advisor.domain.architecture import ModelShape
from advisor.domain.base import Frozen
from advisor.domain.measurement import Correction


class Default(Frozen):
    """A value nobody gave, taken and reported."""

    key: str
    value: str
    because: str


class Facts(Frozen):
    """Everything known of one situation. Names are what `Condition.fact` may test. Memory in GiB."""

    goal: str
    also: tuple[str, ...] = ()
    goals: tuple[str, ...] = ()
    """`goal` and `also`, in order."""
    knowledge: str | None = None
    static_choice: str | None = None
    behavior: str | None = None
    compute: str | None = None
    optimize_for: str | None = None
    expansion: str | None = None
    task: str | None = None

    model_id: str | None = None
    model_path: str | None = None
    model_params_b: float | None = None
    model_kind: str | None = None
    model_quantized: str | None = None
    model_count: int = 1
    model_same_base: bool | None = None
    model_variants: tuple[str, ...] = ()
    """Hub ids or folders of the fine-tuned variants to combine; empty: not named."""
    model_shape: ModelShape | None = None

    teacher_id: str | None = None
    teacher_params_b: float | None = None
    has_teacher: bool = False
    teacher_shares_vocabulary: bool | None = None
    """Whether the teacher numbers its tokens as the model does; None: not both could be looked at."""

    data_path: str | None = None
    data_kind: str | None = None
    data_examples: int | None = None
    data_tokens: int | None = None
    data_seq_len: int | None = None
    data_row_tokens: int | None = None
    """Tokens of an ordinary row, chat template not counted; None: the data was not looked at."""
    data_longest_row: int | None = None
    """Tokens of the longest row, chat template not counted."""
    data_then_path: str | None = None
    data_then_kind: str | None = None
    data_general_path: str | None = None
    data_general_kind: str | None = None
    data_documents: str | None = None
    data_language: str | None = None
    data_cutoff: str | None = None
    train_micro_batch: int | None = None
    train_tokens_budget: int | None = None
    train_optimizer: str | None = None
    train_processes: int | None = None
    train_sharding: str | None = None
    train_machines: int | None = None
    train_rendezvous: str | None = None

    gpu_name: str | None = None
    gpu_gib: float | None = None
    """Free memory of one GPU, the fullest of those that count; None when there is none."""
    gpu_count: int = 0
    gpu_total_gib: float = 0.0
    """Free memory summed over the GPUs of that kind."""
    gpu_capability: float | None = None
    gpu_bandwidth_gbs: float | None = None
    gpu_tflops_bf16: float | None = None
    gpu_formats: tuple[str, ...] = ()
    has_gpu: bool = False
    ram_gib: float | None = None
    disk_gib: float | None = None
    cpu_cores: int | None = None
    cpu_features: tuple[str, ...] = ()
    is_simulated: bool = False
    measured_tflops: float | None = None
    """TFLOP/s that training in bf16 reached in this machine's calibration, for models of this width; None: no
    calibration."""
    measured_tflops_fp32: float | None = None
    """The same in fp32."""
    measured_bandwidth: float | None = None
    """GB/s of copying the host's memory that the calibration reached."""
    measured_disk_mbs: float | None = None
    """MB/s of writing to disk that the calibration reached."""
    calibration: str | None = None
    """Id of that calibration."""
    machine: str | None = None
    """Identity of the machine; None: simulated."""
    corrections: tuple[Correction, ...] = ()
    """What earlier runs on this machine say of its estimates."""

    serve_target: str | None = None
    serve_gpu: str | None = None
    serve_gib: float | None = None
    serve_capability: float | None = None
    serve_formats: tuple[str, ...] = ()
    serve_batch: int = 1
    serve_bits: int | None = None
    serve_runtime: str = "any"

    needs: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    use: tuple[str, ...] = ()
    defaults: tuple[Default, ...] = ()
    contradicted: tuple[Default, ...] = ()
    """Answers that the model's folder or the data's rows contradict, with what these say."""
