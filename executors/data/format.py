"""instruction-format: one shape for all rows, and three of them as the model will see them.

The fine-tuning executor applies the chat template itself; this is for looking before training, and for data that
another program shall read.
"""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, Severity
from executors.data.records import NotInShape, Shape, in_shape
from executors.data.writing import HELD_OUT, TRAIN, DataConfig, check, sides, write_lines, write_report
from executors.datasets.recipes import cook
from executors.datasets.rows import Record
from executors.protocol import Inputs, Say

REQUIRES = ("transformers", "tokenizers")
SAMPLES, SAMPLES_FILE = 3, "samples.txt"


class Config(DataConfig):
    """Settings of one conversion."""

    shape: Shape = "messages"
    """messages: a list of turns (ChatML); alpaca: instruction, input, output; sharegpt: from and value."""


preflight = check


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write both sides in the shape, and samples rendered by the model's chat template."""
    written, refused = 0, []
    train, held_out = sides(config)
    for name, rows in ((TRAIN, train), (HELD_OUT, held_out)):
        records = []
        for row in rows:
            try:
                records.append(in_shape(row, config.shape))
            except NotInShape as error:
                refused.append(str(error))
        written += len(records)
        write_lines(out / name, records)
    if not written:
        raise AdvisorError(f"no row can be written as {config.shape}", why=refused[0] if refused else "")
    if refused:
        text = f"{len(refused)} of {written + len(refused)} rows have no place in {config.shape}"
        say.diagnostic(Severity.WARNING, "not-in-shape", text, refused[0], "shape: messages holds them all")
    samples = rendered(train[:SAMPLES], inputs)
    (out / SAMPLES_FILE).write_text("\n\n".join(samples) + "\n", encoding="utf-8")
    for number, sample in enumerate(samples, 1):
        say.log(f"sample {number}, as the model sees it:\n{sample}")
    write_report(out, {"rows_after": written, "rows_refused": len(refused), "shape": config.shape}, say)


def rendered(rows: list[Record], inputs: Inputs) -> list[str]:
    """Rows through the model's chat template, with what is learnt between guillemets."""
    from executors.datasets.render import encode
    from executors.models.load import find_folder, load_tokenizer

    tokenizer: Any = load_tokenizer(find_folder(inputs.path("model")))
    samples = []
    for row in cook(None, rows, False, list):
        try:
            (sequence, *_) = encode([row], tokenizer, 1_000_000)
        except AdvisorError as error:
            samples.append(json.dumps({"not rendered": error.what}))
            continue
        learnt = [label == token for token, label in zip(sequence.ids, sequence.labels, strict=True)]
        text = ""
        for is_learnt, run_of in groupby(zip(learnt, sequence.ids, strict=True), key=lambda pair: pair[0]):
            part = tokenizer.decode([token for _, token in run_of])
            text += f"«{part}»" if is_learnt else part
        samples.append(text)
    return samples
