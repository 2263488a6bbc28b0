"""A thousand generations of SmolLM2-135M under a schema, sampled: how many are valid, and what the constraint costs.

Each prompt names a function of the held-out side of `builtin:stdlib`. Validity is judged by parsing and by a checker
that shares no code with the decoder. The same prompts without the constraint are beside it, sixty-four of them.
"""

from __future__ import annotations

import json
import time
from typing import Any

MODEL = "builtin:smollm2-135m-instruct"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "kind": {"enum": ["function", "class", "method"]},
        "arguments": {"type": "integer", "minimum": 0, "maximum": 9},
        "pure": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 12}, "maxItems": 2},
    },
    "required": ["name", "kind", "arguments", "pure", "tags"],
    "additionalProperties": False,
}
COUNT, FREE, BATCH, BUDGET = 1000, 64, 50, 80


def run() -> None:
    """Print one row with the constraint and one without."""
    import torch

    from executors.datasets.stdlib_items import items
    from executors.models.load import load_model

    torch.manual_seed(0)
    loaded = load_model("causal-lm", MODEL)  # type: ignore[arg-type]
    names = [item.name for item in items() if item.is_held_out]
    asked = [f"Describe {names[n % len(names)]} as JSON with {', '.join(SCHEMA['properties'])}." for n in range(COUNT)]
    print("| decoding | generations | valid | tokens/s | seconds |")
    print("| --- " * 5 + "|")
    for is_constrained, count in ((True, COUNT), (False, FREE)):
        started = time.perf_counter()
        texts, tokens = _write(loaded, asked[:count], is_constrained)
        seconds = time.perf_counter() - started
        valid = sum(_is_valid(text) for text in texts)
        word = "under the schema" if is_constrained else "free"
        print(f"| {word} | {count} | {valid} | {tokens / seconds:.0f} | {seconds:.0f} |", flush=True)


def _write(loaded: Any, asked: list[str], is_constrained: bool) -> tuple[list[str], int]:
    """The texts, and how many tokens they have."""
    import torch

    from executors.constrain import Constraint
    from executors.prompt.asking import Asker
    from executors.prompt.file import PromptFile
    from executors.prompt.writing import Writer

    writer = Writer(loaded, Asker(PromptFile(system="Answer with one JSON object and nothing else.")))
    compiled = writer.compiled(Constraint(json_schema=SCHEMA)) if is_constrained else None
    tokenizer, texts, tokens = loaded.tokenizer, [], 0
    for start in range(0, len(asked), BATCH):
        prompts = [writer.start(writer.asker.turns(text)) for text in asked[start : start + BATCH]]
        rows = tokenizer(prompts, add_special_tokens=False)["input_ids"]
        longest = max(map(len, rows))
        ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        extra = {"logits_processor": [compiled.processor(len(rows), BUDGET, writer.ends, longest)]} if compiled else {}
        with torch.inference_mode():
            out = loaded.model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=BUDGET, do_sample=True, temperature=1.0,
                pad_token_id=tokenizer.pad_token_id or 0, **extra,
            )  # fmt: skip
        said = out[:, longest:]
        texts += tokenizer.batch_decode(said, skip_special_tokens=True)
        tokens += int((said != (tokenizer.pad_token_id or 0)).sum())
    return texts, tokens


def _is_valid(text: str) -> bool:
    from executors.constrain.valid import is_valid

    try:
        return is_valid(json.loads(text), SCHEMA)
    except ValueError:
        return False
