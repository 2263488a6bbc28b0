"""Which tensors of a model may be pruned, what pruning them needs, and the ledger of the zeros that were set."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from executors.tensors.folder import ModelFolder
from executors.tensors.header import TensorInfo

LEDGER = "sparsity.json"
_BLOCK = re.compile(r"^model\.layers\.(\d+)\.(.+)\.weight$")


def prunable(model: ModelFolder) -> list[TensorInfo]:
    """The matrices inside decoder blocks, in file order. Embedding, head, norms and biases are never among them."""
    return [info for info in model.tensors.values() if _BLOCK.match(info.name) and len(info.shape) == 2]


def block_of(name: str) -> int:
    """The number of the block a prunable tensor belongs to."""
    found = _BLOCK.match(name)
    assert found, name
    return int(found[1])


def by_block(model: ModelFolder) -> dict[int, list[TensorInfo]]:
    """Prunable tensors by block number, ascending."""
    blocks: dict[int, list[TensorInfo]] = {}
    for info in prunable(model):
        blocks.setdefault(block_of(info.name), []).append(info)
    return dict(sorted(blocks.items()))


def working_bytes(model: ModelFolder, sequences: int, seq_len: int) -> int:
    """Memory of calibration: one block with its scores and masks, the largest tensor, and the batch inside a block."""
    block = max((sum(info.bytes for info in infos) for infos in by_block(model).values()), default=0)
    hidden = int(model.config.get("hidden_size", 0))
    inner = int(model.config.get("intermediate_size", 4 * hidden))
    activations = sequences * seq_len * (6 * hidden + 3 * inner) * 2
    return 2 * block + 6 * max((info.bytes for info in prunable(model)), default=0) + model.largest + activations


def hessian_bytes(targets: list[TensorInfo]) -> int:
    """Memory of the second-order methods: six squares of the widest input (Hessian as it is and in the columns' order,
    factors, identity) and five 32-bit copies of the largest group of matrices that share one, all three of attention or
    two of the feed-forward.
    """
    widest = max((info.shape[1] for info in targets), default=0)
    largest = max((info.shape[0] * info.shape[1] for info in targets), default=0)
    return 4 * (6 * widest**2 + 5 * 2 * largest)


@dataclass
class Ledger:
    """Zeros per pruned tensor. A later step that must keep the sparsity checks itself against it."""

    method: str
    pattern: str
    sparsity: float
    tensors: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, name: str, zeros: int, count: int) -> None:
        self.tensors[name] = {"zeros": zeros, "count": count, "fraction": round(zeros / count, 6)}

    def fraction(self, names: list[str] | None = None) -> float:
        """Share of zeros over the named tensors, or all."""
        chosen = [self.tensors[name] for name in names] if names else list(self.tensors.values())
        return sum(entry["zeros"] for entry in chosen) / max(1, sum(entry["count"] for entry in chosen))

    def content(self) -> dict[str, object]:
        return {
            "schema": 1,
            "method": self.method,
            "pattern": self.pattern,
            "sparsity": self.sparsity,
            "reached": round(self.fraction(), 6),
            "tensors": self.tensors,
        }
