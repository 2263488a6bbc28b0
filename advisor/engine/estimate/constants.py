"""Every number of the estimates that does not follow from a model's dimensions: name, unit, source.

Nothing here is fitted to a table of measurements. What is a property of a library is read from its code and says which.
"""

from __future__ import annotations

GIB = 2**30
"""Bytes."""

# -- element sizes ---------------------------------------------------------------------------------------------------

FP32 = 4
"""Bytes per element."""
HALF = 2
"""Bytes per element of bf16 and fp16."""

# -- quantized storage, bits per weight --------------------------------------------------------------------------------

NF4_BLOCK = 64
"""Weights that share one absolute maximum (bitsandbytes `Params4bit`, `blocksize=64`; QLoRA paper, section 3)."""
NF4_ABSMAX_BITS = 32
"""The maximum is kept in fp32 without double quantization."""
NF4_DOUBLE_BITS = 8 + 32 / 256
"""With double quantization: an 8-bit maximum, and one fp32 for 256 of them (QLoRA paper, section 3)."""
GROUP = 128
"""Weights that share scale and zero point in GPTQ and AWQ checkpoints (`group_size=128`, their default)."""
GROUP_SCALE_BITS = 16
"""fp16 scale per group."""
HQQ_GROUP = 64
"""HQQ's default group, with scale and zero point in 16 bits each."""
MX_BLOCK = 32
"""Elements per 8-bit scale (OCP Microscaling Formats specification 1.0, section 5)."""
NVFP4_BLOCK = 16
"""Elements per FP8 scale (NVIDIA Blackwell NVFP4 format)."""
GGUF_BITS: dict[str, float] = {
    "iq2_xs": 2.59,
    "q2_k": 3.16,
    "q3_k_m": 3.91,
    "q4_0": 4.5,
    "q4_1": 5.0,
    "q4_k_s": 4.58,
    "q4_k_m": 4.85,
    "q5_0": 5.5,
    "q5_k_m": 5.69,
    "q6_k": 6.56,
    "q8_0": 8.5,
    "f16": 16.0,
    "bf16": 16.0,
}
"""Bits per weight over a whole file (llama.cpp, `tools/quantize/README.md`; those ending in 0 by their blocks)."""

# -- the training step -------------------------------------------------------------------------------------------------

LOSS_COPIES = 3
"""fp32 copies of the logits at the start of the backward pass: log-softmax output, gradient with respect to it,
gradient with respect to the upcast logits (transformers `ForCausalLMLoss`: `logits.float()`, then `cross_entropy`).
The 16-bit logits stand beside them."""
ADAM_8BIT_BYTES = 1 + 4 / 256
"""Per parameter and state: one byte, and one fp32 maximum per block of 256 (bitsandbytes `Optimizer2State`)."""
ADAM_4BIT_BYTES = 0.5 + 4 / 128
"""Per parameter and state (torchao `AdamW4bit`, block 128)."""
FLASH_STATISTIC = 4
"""Bytes per head and token: the fp32 log-sum-exp that flash and memory-efficient attention keep."""
BLAS_WORKSPACE = 32 * 2**20
"""Bytes: cuBLAS workspace of one handle on compute capability 9.0 (8.1 MiB before), torch `CUDABlas.cpp`."""
LAYER_GRADIENTS = 3
"""Widest tensors of a block whose gradients live at once while it is gone through backwards (gate, up and product)."""
DDP_BUCKETS = 1
"""Copies of the gradients that DDP's buckets hold (`gradient_as_bucket_view=False`, the default)."""
GATHERED_LAYERS = 2
"""Blocks whose full weights are on the GPU at once under FSDP and ZeRO-3: the current one and the prefetched one."""
ZERO_BUCKET = 2 * 2 * 5e8
"""Bytes at most: reduce bucket and its copy of 5e8 16-bit elements each (DeepSpeed `reduce_bucket_size`)."""

# -- adapters ----------------------------------------------------------------------------------------------------------

VIRTUAL_TOKENS = 20
"""Tokens of prompt tuning and prefix tuning when a request does not say (PEFT's examples and its quick tour)."""
BOTTLENECK = 64
"""Width of a bottleneck adapter (Houlsby et al. 2019, section 3.3 tries 8 to 64)."""
ADAPTION_TOKENS, ADAPTION_LAYERS = 10, 30
"""LLaMA-Adapter: prompt length and adapted layers (paper 2303.16199, section 4.1)."""

# -- what a machine adds -----------------------------------------------------------------------------------------------

CUDA_CONTEXT = 0.5
"""GiB: context, kernels and libraries, beside the allocator. 0.3 to 0.6 with lazily loaded modules (since CUDA 11.7,
`CUDA_MODULE_LOADING=LAZY`); older stacks load all of them and take up to 1.3 (transformers, `model_memory_anatomy`)."""
RESERVED_SLACK = 0.03
"""Share of what is allocated and freed each step that the caching allocator holds beyond the peak: blocks are rounded
to 2 MiB and cut from 20 MiB segments (`CUDACachingAllocator.cpp`), and lengths change from batch to batch."""
GUESSED_LESS: dict[str, float] = {"activations": 0.4, "logits": 0.75}
GUESSED_MORE: dict[str, float] = {"activations": 0.3, "logits": 1.0}
"""Shares of a term by which a model may differ from the typical one of its size where only the size is known. Of the
catalogue's models of one size some have a vocabulary of 32,000 and others of 256,000, where 128,000 are taken; gated
feed-forwards of three and a half widths keep about 1.6 times what plain ones of four keep."""
FRAGMENTATION = 0.15
"""Share of what is allocated and freed that fragmentation takes on average where lengths change and segments cannot
grow (GMLake 2401.08156, abstract: 15 % on average, up to 33 %): what the upper end allows for."""
TORCH_RSS = 0.65
"""GiB of host memory of a process that imported torch, transformers and peft (0.38) and has read a model (0.27 beside
the weights), measured here with CPU wheels."""
ANSWER_SHARE = 0.5
"""Share of a conversation's tokens that belong to the answer, the only ones a supervised loss needs logits of (0.3 to
0.7 in instruction data; `executors/training/engine.py`, `AnswerLoss`)."""
HEAP_FRAGMENTATION = 1.5
"""Resident over allocated for what a training step allocates and frees on a CPU: glibc keeps blocks below 32 MiB in a
heap full of holes. 1.3 to 1.6 measured here. `MALLOC_MMAP_THRESHOLD_=131072` brings it to 1.0 and costs two thirds more
processor time (every block is mapped and cleared anew), so workers run without it."""
CUDA_HOST_RSS = 2.0
"""GiB of host memory more once CUDA is initialised: pinned buffers and library images."""

# -- calibration of compression ----------------------------------------------------------------------------------------

CALIBRATION_SAMPLES = 128
"""Sequences (GPTQ paper 2210.17323 section 4; SparseGPT and Wanda repositories: `--nsamples 128`)."""
HESSIAN_COPIES = 3
"""Matrices of the widest input during the solve: the Hessian, its Cholesky factor, its inverse (GPTQ `fasterquant`)."""
TEACHER_TEMPERATURE_COPIES = 2
"""fp32 copies of the teacher's logits: the upcast ones and their softmax (Hinton et al. 2015)."""

RESERVED_CACHE = 2048
"""Tokens of keys and values that some runtimes set aside at the start (AutoAWQ's fused modules, litgpt's cache)."""

FORMULAS = 2
"""Version of memory and time formulas, counted up when their answers change: measurements of the steps that older
ones predicted no longer correct them."""

# -- time --------------------------------------------------------------------------------------------------------------

TRAIN_UTILISATION = 0.5
"""Share of the dense peak rate that the matrix products of a training reach on one GPU with 16-bit numbers: 0.42 to
0.65 in torchao's and torchtune's tables (Llama 2 1B to Llama 3.1 8B), 0.21 to 0.46 in the PaLM paper (2204.02311)."""
LAUNCH_SECONDS = 0.0035
"""Per block and micro batch, forward and backward, while kernels are launched one by one: what is left of litgpt's
tables at a batch of one, whatever the model (16 to 40 blocks), and of the PEFT suite's 188 ms per step of 28 blocks."""
QLORA_SLOWDOWN = 1.35
"""On a CPU: unpacking 4-bit weights in each pass."""
NF4_BYTES = 4.127 / 8
"""Per weight, with double quantization."""
DEQUANTIZE_BYTES = 2.5
"""Per 4-bit weight and pass: half a byte read, a 16-bit copy written."""
DEQUANTIZE_SHARE = 0.22
"""Share of the memory bandwidth that doing so reaches (litgpt's tables: NF4 against bf16 at a batch of one)."""
DECODE_LAUNCH_SECONDS = 0.0009
"""Per block and written token, a quarter of a trained one's: transformers' `generate` writes 30 to 40 tokens/s per
sequence through 28 to 32 blocks (AutoAWQ and litgpt tables, batch of one), however fast the memory."""
WRITTEN_TOKENS = 256
"""Of a completion where nobody said (TRL: `max_completion_length=256`)."""
OPTIMIZER_BYTES = 28.0
"""Per trained parameter and optimizer step: parameter, gradient and two states, read and written (AdamW)."""
LINK_GBS = {"nvlink": 150.0, "pcie": 12.0}
"""GB/s at which one GPU gathers sharded weights: half of what NVLink 3 and 16 lanes of PCIe 4 carry one way."""
LINKED_FROM_GBS = 1200.0
"""Memory bandwidth from which a GPU is one of those that machines link by NVLink: cards with HBM."""
DEFAULT_GPU_GBS = 900.0
"""Memory bandwidth of a GPU nobody named."""
DEFAULT_GPU_TFLOPS = 150.0
"""Dense bf16 TFLOP/s of a GPU nobody named: an RTX 4090 or A10-class card."""
CPU_BF16_GFLOPS: dict[str, float] = {"amx_bf16": 120.0, "avx512_bf16": 100.0, "bf16": 40.0}
"""GFLOP/s per core that training a small model in bf16 reaches, by processor flag, the best first. AMX: LoRA on
SmolLM2-135M ran at 250 to 730 tokens/s on two cores, which is 70 to 200 per core. AVX-512 with bf16: 71 per second of
processor time over 40 steps of it; since then with fewer passes over memory the sample's training takes 55 to 65 s on
two cores, its start included, where 60 per core had let 2 minutes be expected. A calibration replaces them."""
CPU_FP32_GFLOPS: dict[str, float] = {"avx512f": 20.0}
"""The same in fp32; a bf16 linear layer was about 7 times as fast as this on AMX cores."""
CPU_GFLOPS_PER_CORE = 15.0
"""The same for every other processor: AVX2 or NEON."""
CPU_BANDWIDTH = 10.0
"""GB/s of copying memory, read and written bytes counted, on a machine nobody measured (desktop and shared server)."""
TIME_SPREAD = (0.45, 2.0)
"""Low and high factor of a duration that rests on a catalogue's rates (one model on one kind of processor: 250 to 730
tokens/s); half as wide on measured ones."""
START_SECONDS: dict[str, float] = {"weights": 4.0, "convert": 8.0, "calibrate": 12.0, "inference": 12.0, "train": 12.0}
"""From starting a process to its first work beside reading the model, by what it imports: torch alone (3 seconds),
tokenizers with it, or transformers and peft (5 seconds of processor time, 13 on a busy machine of two cores)."""
USUAL_TEMPLATE_TOKENS = 32
"""Tokens that a chat template adds to a question and its answer: role marks, end marks, a default system prompt
(36 with SmolLM2's and 30 with Qwen2.5's, about 15 without a system prompt)."""
LARGEST_TEMPLATE_TOKENS = 64
"""The same at most: memory is counted with it."""
FORWARD_GAIN = 1.6
"""On a CPU: operations per second of forward passes alone against those of a training. SmolLM2-135M's evaluation after
each step of the sample ran at 540 GFLOP/s, its LoRA training at 330, on two cores."""
EVALUATED_TOKENS = 512
"""Longest held-out row that is read where nobody said (`executors/evaluate/config.py`, `seq_len`)."""
CHOICES, CHOICE_TOKENS = 4, 60
"""Choices of a question, and tokens of the question with one of them: 28 in the built-in test and the template's."""
SPEED_TOKENS = 1024
"""Read to measure speed: a prompt of 512 tokens, twice (`executors/metrics/speed.py`)."""
ASKED_TOKENS = 128
"""Of a request that is answered in writing, with its template."""
ANSWER_TOKENS = 48
"""Of a written answer where nobody said (`executors/evaluate/config.py`, `answer_tokens`)."""
SAMPLE_TOKENS = 32
"""Of the sample answers, which are written together (`executors/evaluate/run.py`)."""
WEIGHT_PASSES = 8
"""Times that a step which only rewrites weights reads or writes them in fp32: cast, work, round, cast back."""
DISK_MB_S = 400.0
"""MB/s of reading and writing safetensors on an ordinary disk."""
