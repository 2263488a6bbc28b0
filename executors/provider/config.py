"""What a fine-tuning by a provider may be told, and what can be said against it before it starts."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field, field_validator

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.plan import DataSpec
from executors.protocol import Inputs, Machine
from executors.provider.convert import LEAST_ROWS, checked

REQUIRES = ("openai",)
EXTRA = "providers"
"""The extra of this distribution that installs what is required."""
KEYS = {"openai": "OPENAI_API_KEY", "together": "TOGETHER_API_KEY", "claude": ""}
ADDRESSES = {"openai": "https://api.openai.com/v1", "together": "https://api.together.xyz/v1", "claude": ""}
_LOCAL = ("http://127.0.0.1", "http://localhost", "http://[::1]")


class Config(Frozen):
    """Settings of one training at a provider. The key comes from the environment alone."""

    provider: Literal["openai", "together", "claude"]
    data: DataSpec
    base_url: str | None = None
    """Another address that speaks the protocol; https, or this machine."""
    epochs: int = Field(default=3, ge=1, le=50)
    usd_per_million_tokens: float | None = Field(default=None, ge=0)
    """The provider's price of training, which changes: without it tokens are told and no cost."""
    most_usd: float | None = Field(default=None, gt=0)
    """Above this estimate nothing is uploaded."""
    suffix: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,18}$")
    """Part of the tuned model's name."""
    poll_seconds: float = Field(default=10, gt=0, le=3600)

    @field_validator("base_url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("https://", *_LOCAL)):
            raise ValueError("data is sent over https, or to this machine only")
        return value

    @property
    def key_variable(self) -> str:
        """The environment variable that holds the key; empty where none is needed."""
        return KEYS[self.provider]


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """Data that the provider would refuse, and a key that is not set."""
    try:
        found = checked(config.data)
    except AdvisorError as error:
        return [_danger("data", error.what, error.why, error.hint)]
    diagnostics = []
    if len(found.train) < LEAST_ROWS:
        text = f"providers train on {LEAST_ROWS} rows or more, and the data has {len(found.train)}"
        diagnostics.append(_danger("data", text))
    if config.key_variable and not os.environ.get(config.key_variable):
        text = f"{config.key_variable} is not set"
        diagnostics.append(_danger("key", text, hint="set it in the environment; it is taken from nowhere else"))
    if config.most_usd is not None and config.usd_per_million_tokens is None:
        text = "most_usd is set, and the price is not known"
        diagnostics.append(_danger("price", text, hint="set usd_per_million_tokens to the provider's price"))
    return diagnostics


def _danger(code: str, text: str, because: str = "", hint: str = "") -> Diagnostic:
    return Diagnostic(severity=Severity.DANGER, code=code, text=text, because=because, hint=hint)
