"""What many tests share: a tiny real model on disk. Nothing here needs a network or a GPU."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Idle threads that spin make everything several times slower when tests run side by side.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background (`nohup`, `&` in a script): programs started by tests would not hear Ctrl-C either.
    signal.signal(signal.SIGINT, signal.default_int_handler)

TINY_VOCABULARY = 512
TINY_SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TINY_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a tiny model<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TINY_CORPUS = (
    "system user assistant What does the function do? It returns a new list of the items in the order given.",
    "The signature of the function is name(first, second=None). Return the value of the key, or the default.",
    "Split the text at each comma and strip white space. Open the file, read every line, close the file.",
    "Numbers 0 1 2 3 4 5 6 7 8 9 and words: capital of France is Paris. Question: Answer: True False",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that depend on when another process is scheduled get a second try; `-raR` lists every one that took it."""
    for item in items:
        if item.get_closest_marker("terminal") or item.get_closest_marker("process"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def make_tiny_tokenizer(folder: Path) -> None:
    """Write a byte-level BPE tokenizer of 512 tokens, shaped like SmolLM2's, with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TINY_VOCABULARY,
        special_tokens=list(TINY_SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TINY_CORPUS * 4, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        model_max_length=512,
    )
    fast.chat_template = TINY_TEMPLATE
    fast.save_pretrained(folder)


def make_tiny_model(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Write a random two-layer Llama (bf16, tied embeddings, grouped heads) with its tokenizer; return `folder`.

    `changes` go to `LlamaConfig`. Rows are multiples of 32, so that every GGUF type applies.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shape: dict[str, Any] = {
        "vocab_size": TINY_VOCABULARY,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
        "dtype": "bfloat16",
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(LlamaConfig(**{**shape, **changes})).to(torch.bfloat16)
    model.save_pretrained(folder)
    make_tiny_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random two-layer Llama. Read it, never write into it."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Path]:
    """`make_tiny_model`, for tests that need a model of another shape or seed."""
    return make_tiny_model
