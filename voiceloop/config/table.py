"""What all tables are made of: the base class, the conflicts between keys, and types of values; the table of a part."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Milliseconds = Annotated[int, Field(ge=0, le=60_000)]


def _sendable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"can't be sent: {value} is no number in JSON")
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        _sendable(inner)
    return value


FreeTable = Annotated[dict[str, Any], AfterValidator(_sendable)]
"""Fields of a request whose names are not known here."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Keys of one table whose values contradict each other. The message is shown at the first key."""

    keys: tuple[str, ...]
    what: str
    remedy: str = ""


class Table(BaseModel):
    """Base class of the tables: immutable; an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def conflicts(self) -> Iterable[Conflict]:
        """All contradictions between the values of this table."""
        return ()

    @model_validator(mode="after")
    def _no_conflicts(self) -> Self:
        if found := tuple(self.conflicts()):
            raise PydanticCustomError("conflicts", "{text}", {"text": "; ".join(c.what for c in found), "all": found})
        return self


class PartTable(BaseModel):
    """The table of a pluggable part: `use` names the part, the other keys are that part's own options."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    use: str
    part: type[Any]
    """The class that `use` names."""
    options: BaseModel
    """The part's options, already checked."""


def in_order(table: Table, less: str, more: str, why: str) -> Iterable[Conflict]:
    """A conflict when the value of the key `less` is above that of the key `more`."""
    low, high = getattr(table, less), getattr(table, more)
    if low > high:
        yield Conflict((less, more), f"{low} is more than {more} = {high}", f"Lower {less} or raise {more}: {why}.")
