"""`record`: a frozen dataclass that starts fast, for values the engine makes and passes on.

`dataclass(frozen=True)` compiles six methods for every class at import, a quarter of a millisecond each time. A record
has only its constructor: two records are equal when they are the same one, and that none is assigned to is what the
type checker sees to. Whatever is compared, hashed or shown stays a dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """The class with a constructor of its annotated fields; `dataclasses.replace` works on it."""
    return dataclass(eq=False, repr=False)(cls)
