"""A tiny real cross-encoder, trained in place to look for a word."""

from __future__ import annotations

import random
from pathlib import Path

WORDS = "the a bridge tower town river was built in who what mayor is old new".split()  # noqa: SIM905


def write_cross_encoder(folder: Path) -> None:
    """A one-layer BERT with one label that scores texts with the word `mayor` higher."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    fast.save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=64, max_position_embeddings=64, num_labels=1, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )  # fmt: skip
        model = BertForSequenceClassification(config)
        optimizer = torch.optim.Adam(model.parameters(), 5e-3)
        chance = random.Random(0)
        for _ in range(150):
            asked = [" ".join(chance.choices(WORDS, k=4)) for _ in range(32)]
            texts = [" ".join(chance.choices(WORDS, k=chance.randint(2, 8))) for _ in asked]
            wanted = torch.tensor([[1.0 if "mayor" in text else 0.0] for text in texts])
            batch = fast(asked, texts, padding=True, return_tensors="pt")
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(**batch).logits, wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.save_pretrained(folder)
