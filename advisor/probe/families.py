"""What each decoder family takes for granted: the values its configuration class assumes when `config.json` is silent.

Facts only; reading a configuration is the work of `model_config`. The values are those of the configuration and model
classes of the transformers library; `tests/advisor/probe/test_model_config.py` compares them where it is installed.
"""

from __future__ import annotations

from typing import NamedTuple


class Family(NamedTuple):
    """The habits of one `model_type`."""

    tied: bool = False
    gated: bool = True
    parallel: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    head_dim: int | None = None
    """Width of a head when the file names none; None: hidden size over heads."""
    positions_offset: int | None = None
    """Learned position table: its rows are the maximum length plus this; None: no table."""
    sizes: dict[str, int] = {}
    """Dimensions assumed inside a `text_config`, which stores only what differs from the class."""


def _sizes(hidden: int, intermediate: int, layers: int, heads: int, kv_heads: int, vocab: int) -> dict[str, int]:
    names = ("hidden", "intermediate", "layers", "heads", "kv_heads", "vocab")
    return dict(zip(names, (hidden, intermediate, layers, heads, kv_heads, vocab), strict=True))


_LLAMA = Family(sizes=_sizes(4096, 11008, 32, 32, 32, 32000))
_QWEN2 = Family(attention_bias=True, sizes=_sizes(4096, 22016, 32, 32, 32, 151936))
_QWEN2_VL = Family(attention_bias=True, sizes=_sizes(8192, 29568, 80, 64, 8, 152064))
_QWEN3 = Family(head_dim=128, sizes=_sizes(4096, 22016, 32, 32, 32, 151936))
_GPT2 = Family(tied=True, gated=False, attention_bias=True, mlp_bias=True, positions_offset=0)
_GPTJ = Family(gated=False, parallel=True, mlp_bias=True)
_GEMMA3 = Family(tied=True, head_dim=256, sizes=_sizes(2304, 9216, 26, 8, 4, 262208))
_TIED = Family(tied=True)
_PLAIN = Family(gated=False)
_QKV_BIAS = Family(attention_bias=True)

FAMILIES: dict[str, Family] = {
    "apertus": _PLAIN,
    "arcee": _PLAIN,
    "bailing_moe": Family(),
    "biogpt": Family(tied=True, gated=False, attention_bias=True, mlp_bias=True, positions_offset=2),
    "bloom": Family(tied=True, gated=False, attention_bias=True, mlp_bias=True),
    "chatglm": _QKV_BIAS,
    "codegen": _GPTJ,
    "cohere": Family(tied=True, parallel=True, sizes=_sizes(8192, 22528, 40, 64, 64, 256000)),
    "cohere2": Family(tied=True, parallel=True, sizes=_sizes(8192, 22528, 40, 64, 64, 256000)),
    "dbrx": Family(),
    "deepseek": Family(),
    "deepseek_v2": Family(),
    "deepseek_v3": Family(),
    "dots1": Family(),
    "ernie4_5": Family(tied=True, head_dim=128),
    "ernie4_5_moe": _TIED,
    "exaone": Family(),
    "exaone4": Family(),
    "falcon": Family(tied=True, gated=False, parallel=True),
    "gemma": Family(tied=True, head_dim=256, sizes=_sizes(3072, 24576, 28, 16, 16, 256000)),
    "gemma2": Family(tied=True, head_dim=256, sizes=_sizes(2304, 9216, 26, 8, 4, 256000)),
    "gemma3": _GEMMA3,
    "gemma3n": Family(tied=True, head_dim=256, sizes=_sizes(2048, 16384, 35, 8, 2, 262400)),
    "gemma4": Family(tied=True, head_dim=256, sizes=_sizes(2304, 9216, 30, 8, 4, 262144)),
    "glm": Family(attention_bias=True, head_dim=128),
    "glm4": Family(attention_bias=True, head_dim=128),
    "glm4_moe": Family(),
    "gpt2": _GPT2._replace(sizes=_sizes(768, 3072, 12, 12, 12, 50257)),
    "gpt_bigcode": _GPT2,
    "gpt_neo": Family(tied=True, gated=False, mlp_bias=True, positions_offset=0),
    "gpt_neox": Family(gated=False, parallel=True, attention_bias=True, mlp_bias=True),
    "gpt_oss": Family(attention_bias=True, mlp_bias=True, head_dim=64),
    "gptj": _GPTJ,
    "granite": Family(),
    "granitemoe": Family(),
    "helium": Family(head_dim=128),
    "hunyuan_v1_dense": Family(),
    "hunyuan_v1_moe": Family(),
    "internlm": Family(attention_bias=True),
    "internlm2": Family(),
    "internlm3": Family(head_dim=128),
    "jamba": Family(),
    "kimi_k2": Family(),
    "lfm2": _TIED,
    "llama": _LLAMA,
    "llama4": Family(head_dim=128, sizes=_sizes(5120, 8192, 48, 40, 8, 202048)),
    "minicpm": _TIED,
    "minicpm3": _TIED,
    "minimax_m2": Family(head_dim=128),
    "ministral": Family(sizes=_sizes(4096, 14336, 32, 32, 8, 32000)),
    "ministral3": Family(head_dim=128, sizes=_sizes(4096, 14336, 34, 32, 8, 131072)),
    "mistral": Family(sizes=_sizes(4096, 14336, 32, 32, 8, 32000)),
    "mixtral": Family(sizes=_sizes(4096, 14336, 32, 32, 8, 32000)),
    "mllama": Family(sizes=_sizes(4096, 14336, 40, 32, 8, 128256)),
    "mpt": Family(tied=True, gated=False),
    "nemotron": _PLAIN,
    "olmo": Family(),
    "olmo2": Family(),
    "olmo3": Family(),
    "olmoe": Family(),
    "opt": Family(
        tied=True,
        gated=False,
        attention_bias=True,
        mlp_bias=True,
        positions_offset=2,
        sizes=_sizes(768, 3072, 12, 12, 12, 50272),
    ),
    "persimmon": Family(gated=False, attention_bias=True, mlp_bias=True),
    "phi": Family(gated=False, parallel=True, attention_bias=True, mlp_bias=True),
    "phi3": Family(sizes=_sizes(3072, 8192, 32, 32, 32, 32064)),
    "phimoe": Family(),
    "qwen": _QKV_BIAS,
    "qwen2": _QWEN2,
    "qwen2_moe": _QWEN2,
    "qwen2_vl": _QWEN2_VL,
    "qwen3": _QWEN3,
    "qwen3_5": Family(head_dim=256, sizes=_sizes(4096, 12288, 32, 16, 4, 248320)),
    "qwen3_moe": Family(sizes=_sizes(2048, 6144, 24, 32, 4, 151936)),
    "qwen3_next": Family(head_dim=256),
    "seed_oss": Family(attention_bias=True, head_dim=128),
    "smollm3": _TIED,
    "stablelm": Family(),
    "starcoder2": Family(tied=True, gated=False, attention_bias=True, mlp_bias=True),
    "xglm": Family(tied=True, gated=False, attention_bias=True, mlp_bias=True),
}

ALIASES: dict[str, str] = {
    "cohere2_moe": "cohere2",
    "gemma3_text": "gemma3",
    "gemma3n_text": "gemma3n",
    "gemma4_text": "gemma4",
    "gpt-neox": "gpt_neox",
    "granitemoehybrid": "granitemoe",
    "granitemoeshared": "granitemoe",
    "llama4_text": "llama4",
    "mllama_text_model": "mllama",
    "phi-msft": "phi",
    "phi4_multimodal": "phi3",
    "phi4mm": "phi3",
    "qwen2_5_vl": "qwen2_vl",
    "qwen2_5_vl_text": "qwen2_vl",
    "qwen2_vl_text": "qwen2_vl",
    "qwen3_5_moe": "qwen3_5",
    "qwen3_5_moe_text": "qwen3_5",
    "qwen3_5_text": "qwen3_5",
    "qwen3_vl": "qwen3",
    "qwen3_vl_moe_text": "qwen3_moe",
    "qwen3_vl_text": "qwen3",
    "refinedweb": "falcon",
    "refinedwebmodel": "falcon",
    "stablelm_epoch": "stablelm",
}

UNKNOWN = Family(tied=True)
"""A `model_type` nobody here knows. transformers writes the tie key only when it differs from its base class, whose
value is true, so a silent file means tied."""

ENCODERS = frozenset(
    [
        "albert",
        "bart",
        "bert",
        "clip",
        "deberta",
        "deberta-v2",
        "distilbert",
        "electra",
        "ernie",
        "marian",
        "mbart",
        "modernbert",
        "mpnet",
        "mt5",
        "pegasus",
        "roberta",
        "siglip",
        "t5",
        "umt5",
        "vit",
        "wav2vec2",
        "whisper",
        "xlm-roberta",
    ]
)
"""Model types without a decoder to train as a language model here."""


def family_of(model_type: str) -> Family:
    """The family of a `model_type`; `UNKNOWN` for one that is not listed."""
    name = model_type.lower()
    return FAMILIES.get(ALIASES.get(name, name), UNKNOWN)
