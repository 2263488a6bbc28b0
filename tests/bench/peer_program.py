"""What the peers' own Python runs: llm-compressor as its recipes call it. Reads one JSON request from its input.

Not a benchmark by itself; `tests.bench.llm_compressor` starts it. Nothing of this project is imported here: the peers'
environment has neither this package nor its versions.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def main() -> None:
    """Compress as asked, save, and print how long the compression alone took."""
    asked = json.load(sys.stdin)
    import torch
    from datasets import Dataset
    from llmcompressor import oneshot
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(asked["threads"])
    model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=getattr(torch, asked["dtype"]))
    tokenizer = AutoTokenizer.from_pretrained(asked["model"])
    with open(asked["ids"], encoding="utf-8") as file:
        ids = json.load(file)
    data = Dataset.from_dict({"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]})
    start = time.perf_counter()
    oneshot(
        model=model,
        tokenizer=tokenizer,
        dataset=data,
        recipe=_recipe(asked["method"]),
        max_seq_length=len(ids[0]),
        num_calibration_samples=len(ids),
        pipeline="sequential",
        shuffle_calibration_samples=False,
    )
    seconds = time.perf_counter() - start
    model.save_pretrained(asked["out"], save_compressed=asked["method"] in ("gptq", "awq"))
    tokenizer.save_pretrained(asked["out"])
    sys.stdout.write("\n" + json.dumps({"seconds": seconds}) + "\n")


def _recipe(method: str) -> Any:
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

    # The regular expression, not the plain name: with that the tied embedding would be pruned, too.
    linear: dict[str, Any] = {"targets": ["Linear"], "ignore": ["re:.*lm_head"]}
    if method == "wanda":
        from llmcompressor.modifiers.pruning import WandaPruningModifier

        return WandaPruningModifier(sparsity=0.5, mask_structure="0:0", **linear)
    if method == "sparsegpt":
        from llmcompressor.modifiers.pruning import SparseGPTModifier

        return SparseGPTModifier(sparsity=0.5, mask_structure="0:0", block_size=128, dampening_frac=0.01, **linear)

    def groups(symmetric: bool) -> dict[str, Any]:
        weights = QuantizationArgs(num_bits=4, type="int", symmetric=symmetric, strategy="group", group_size=64)
        return {"group_0": QuantizationScheme(targets=["Linear"], weights=weights)}

    if method == "gptq":
        from llmcompressor.modifiers.gptq import GPTQModifier

        return GPTQModifier(config_groups=groups(True), ignore=["lm_head"], block_size=128, dampening_frac=0.01)
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform.awq import AWQModifier
    from llmcompressor.pipelines.cache import IntermediatesCache

    # On a machine without an accelerator AWQ fails in pinning memory; this switches the pinning off.
    IntermediatesCache.pin_memory = lambda self, *_, **__: None
    return [
        AWQModifier(duo_scaling=True, n_grid=10),
        QuantizationModifier(config_groups=groups(False), ignore=["lm_head"]),
    ]


if __name__ == "__main__":
    main()
