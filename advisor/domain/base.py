"""The two base classes of every domain type: frozen, and strict about unknown keys unless it says otherwise.

Validators are built when a type is first used, not when it is defined; hence defaults are made by `model_construct`,
which needs none. Every command starts faster for it.
"""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value. It never changes and refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Lenient(BaseModel):
    """A value read from a newer writer: it never changes and ignores keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)
