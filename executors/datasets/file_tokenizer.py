"""A tokenizer as it lies in a model's folder, with as much of transformers' interface as rendering and encoding need.

It opens in a tenth of the time of transformers' own classes and imports no torch. Only for folders whose
`tokenizer.json` says everything and whose chat template is one text; `open_tokenizer` takes transformers for others:
where in doubt, for the same ids as the model is run with count for more than the time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SPECIALS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""What a chat template may name."""
PLAIN = frozenset({"PreTrainedTokenizerFast", "TokenizersBackend"})
"""Classes that change nothing of what `tokenizer.json` says."""
TYPES = frozenset({"llama", "smollm3"})
"""Types of models for which transformers takes the class that is named; for qwen2 and others it takes its own."""
LISTED = "added_tokens_decoder"
LEGACY = ("special_tokens_map.json", "added_tokens.json")
"""What transformers reads tokens from where `tokenizer_config.json` lists none."""
CHANGING = ("auto_map", "fast_tokenizer_files", "split_special_tokens", "model_specific_special_tokens")
"""Settings that name other code or files, or cut text in another way."""


def open_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model's folder."""
    told = _read(folder / "tokenizer_config.json")
    template = _template(folder, told)
    if told is not None and (template is None or isinstance(template, str)) and _is_plain(folder, told):
        own = FileTokenizer(folder, told, template)
        if own.has_all(told):
            return own
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)


class FileTokenizer:
    """Encodes without special tokens around, and renders the chat template as transformers does."""

    is_fast = True

    def __init__(self, folder: Path, told: dict[str, Any], template: str | None) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._specials = {name: text for name in SPECIALS if (text := _content(told.get(name)))}
        self.chat_template = template
        self.eos_token = self._specials.get("eos_token")
        self.eos_token_id = None if self.eos_token is None else self._tokenizer.token_to_id(self.eos_token)

    def has_all(self, told: dict[str, Any]) -> bool:
        """Whether `tokenizer.json` has every added and special token that the settings name: others would be added."""
        from tokenizers import AddedToken

        added = self._tokenizer.get_added_tokens_decoder()
        further = [told.get(name) or [] for name in ("extra_special_tokens", "additional_special_tokens")]
        if not all(isinstance(tokens, list) for tokens in further):
            return False
        named = {*self._specials.values(), *(_content(token) for tokens in further for token in tokens)}
        try:
            listed = {int(at): repr(AddedToken(**token)) for at, token in (told.get(LISTED) or {}).items()}
        except (AttributeError, TypeError, ValueError):
            return False
        # Equality of two added tokens looks at their texts alone, repr at how they are cut out as well.
        same = all(repr(added.get(at)) == token for at, token in listed.items())
        return same and named <= {token.content for token in added.values()}

    def __call__(self, texts: list[str], add_special_tokens: bool, return_offsets_mapping: bool) -> dict[str, Any]:
        """`input_ids` and `offset_mapping` of each text."""
        found = self._tokenizer.encode_batch(texts, add_special_tokens=add_special_tokens)
        offsets = {"offset_mapping": [one.offsets for one in found]} if return_offsets_mapping else {}
        return {"input_ids": [one.ids for one in found], **offsets}

    def apply_chat_template(
        self, conversation: list[dict[str, Any]], tokenize: bool, add_generation_prompt: bool, **told: Any
    ) -> str:
        """The conversation as text. Ids are not made here."""
        assert not tokenize
        turns = [{key: value for key, value in turn.items() if value is not None} for turn in conversation]
        given = {"tools": None, **self._specials, **told}
        if isinstance(self.chat_template, str):
            from executors.datasets.plain_template import render_plain

            text = render_plain(self.chat_template, turns, add_generation_prompt, **given)
            if text is not None:
                return text
        from transformers.utils.chat_template_utils import render_jinja_template

        texts, _ = render_jinja_template(
            conversations=[turns],
            chat_template=self.chat_template,
            add_generation_prompt=add_generation_prompt,
            **given,
        )
        return str(texts[0])


def _is_plain(folder: Path, told: dict[str, Any]) -> bool:
    """Whether transformers, too, would read `tokenizer.json` and nothing else for the tokens."""
    model = _read(folder / "config.json") or {}
    return (
        told.get("tokenizer_class") in PLAIN
        and model.get("model_type") in TYPES
        # By this name, too, transformers looks up the class.
        and "model_name" not in model
        and not any(told.get(name) for name in CHANGING)
        and (LISTED in told or not any((folder / name).exists() for name in LEGACY))
        and (folder / "tokenizer.json").is_file()
    )


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _template(folder: Path, told: dict[str, Any] | None) -> Any:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    # Several templates, in a folder or a list, are for transformers.
    return {} if (folder / "additional_chat_templates").exists() else (told or {}).get("chat_template")


def _content(token: object) -> str:
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")
