"""Writing a model folder as one GGUF file, tensor by tensor, and checking every tensor of the result.

Peak memory grows with the largest tensor in 32 bits. Formats by the `gguf` library; nothing here packs bits itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError, ExitCode, Severity
from executors.export.gguf_form import FILE_TYPE, error_bound, require_exportable, tensor_type
from executors.export.gguf_tokens import Vocabulary, read_vocabulary
from executors.models.gguf_names import gguf_name, rotated_heads, to_gguf_rows
from executors.protocol import Say, Stopped
from executors.tensors.folder import ModelFolder
from executors.tensors.header import TensorInfo
from executors.tensors.source import read_tensor, require_finite
from executors.tensors.writer import disk_error

if TYPE_CHECKING:
    import numpy as np

ARCHITECTURE = "llama"
LARGEST_F16 = 65504.0


def write_gguf(model: ModelFolder, file: Path, form: str, say: Say) -> None:
    """Write the model as `file` in that form, synced. Raises AdvisorError for models it cannot represent."""
    from gguf import GGUFWriter

    require_exportable(model, form)
    vocabulary = read_vocabulary(model.path, model.tensors["model.embed_tokens.weight"].shape[0])
    if not vocabulary.is_pre_known:
        say.diagnostic(
            Severity.WARNING,
            "unknown-pre-tokenizer",
            "the file says its text is split as gpt-2 does",
            because="the tokenizer splits text in a way that has no known name here",
            hint="compare token ids in the program that will read the file",
        )
    writer = GGUFWriter(str(file), ARCHITECTURE)
    try:
        _add_model(writer, model, form)
        _add_vocabulary(writer, vocabulary)
        _write_tensors(writer, model, form, say)
    except OSError as error:
        raise disk_error(file, error) from error
    finally:
        writer.close()
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def verify_gguf(model: ModelFolder, file: Path, form: str) -> float:
    """Read every tensor back with the `gguf` library and compare it with its source; the largest error found.

    Raises AdvisorError naming the first tensor that is missing or further off than its type allows.
    """
    import numpy as np
    from gguf import GGUFReader, dequantize

    found = {tensor.name: tensor for tensor in GGUFReader(str(file)).tensors}
    largest = 0.0
    for info in model.tensors.values():
        name = _name(info)
        if name not in found or len(found) != len(model.tensors):
            raise _broken(file, f"it holds {len(found)} tensors instead of {len(model.tensors)}, or lacks {name}")
        source = source_values(model, info)
        back = dequantize(found[name].data, found[name].tensor_type).reshape(source.shape)
        error = np.abs(back - source)
        if not bool((error <= error_bound(source, tensor_type(name, source.ndim, form))).all()):
            raise _broken(file, f"{name} is off by {float(error.max()):.3g}, more than {form} allows")
        largest = max(largest, float(error.max()))
    return largest


def source_values(model: ModelFolder, info: TensorInfo) -> np.ndarray[Any, Any]:
    """A tensor of the folder in 32 bits, its rows in GGUF's order. Raises AdvisorError for NaN and infinity."""
    tensor = read_tensor(info)
    require_finite(info.name, tensor)
    values: np.ndarray[Any, Any] = tensor.float().numpy()
    heads, kv_heads = _heads(model)
    rotated = rotated_heads(_name(info), heads, kv_heads)
    return to_gguf_rows(values, rotated) if rotated else values


def _name(info: TensorInfo) -> str:
    name = gguf_name(info.name)
    assert name is not None, info.name
    return name


def _heads(model: ModelFolder) -> tuple[int, int]:
    heads = int(model.config["num_attention_heads"])
    return heads, int(model.config.get("num_key_value_heads") or heads)


def _add_model(writer: Any, model: ModelFolder, form: str) -> None:
    config = model.config
    heads, kv_heads = _heads(model)
    rope = config.get("rope_parameters") or {}
    head_dim = int(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_type("model")
    writer.add_name(f"{model.arch} {model.params / 1e6:.0f}M")
    writer.add_file_type(FILE_TYPE[form])
    if form != "F16":
        writer.add_quantization_version(2)
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0))
    writer.add_vocab_size(model.tensors["model.embed_tokens.weight"].shape[0])


def _add_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(vocabulary.merges)
    add = {
        "bos": writer.add_bos_token_id,
        "eos": writer.add_eos_token_id,
        "unknown": writer.add_unk_token_id,
        "padding": writer.add_pad_token_id,
    }
    for word, number in vocabulary.named.items():
        add[word](number)
    writer.add_add_bos_token(vocabulary.adds_bos)
    writer.add_add_space_prefix(False)
    if vocabulary.chat_template:
        writer.add_chat_template(vocabulary.chat_template)


def _write_tensors(writer: Any, model: ModelFolder, form: str, say: Say) -> None:
    """The table of contents first, then the data in the same order."""
    import numpy as np
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quantize

    infos = list(model.tensors.values())
    kinds = [GGMLQuantizationType[tensor_type(_name(info), len(info.shape), form)] for info in infos]
    for info, kind in zip(infos, kinds, strict=True):
        block, size = GGML_QUANT_SIZES[kind]
        count = int(np.prod(info.shape))
        writer.add_tensor_info(_name(info), info.shape, np.dtype(np.float32), count // block * size, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for number, (info, kind) in enumerate(zip(infos, kinds, strict=True), start=1):
        if say.should_stop():
            raise Stopped
        values = source_values(model, info)
        if kind is GGMLQuantizationType.F16 and float(np.abs(values).max()) > LARGEST_F16:
            raise AdvisorError(
                f"{info.name} holds numbers too large for 16-bit floats", hint="use type Q8_0, which scales each block"
            )
        writer.write_tensor_data(quantize(np.ascontiguousarray(values), kind))
        say.progress(number, len(infos), "tensors", info.name)


def _broken(file: Path, why: str) -> AdvisorError:
    return AdvisorError(
        f"{file.name} does not hold what was written",
        why=why,
        hint="run the step again; if it stays, report it",
        code=ExitCode.RUN_FAILED,
    )
