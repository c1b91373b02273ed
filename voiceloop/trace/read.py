"""The reader of trace files. Accepts cut-off and damaged files; gives records by kind, their fields not yet checked.

What the records mean is decided in `build.py`.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voiceloop.errors import BadTraceFile
from voiceloop.trace.records import KINDS, VERSION

_HEAD_LIMIT = 1_000_000
_LINE_LIMIT = 16_000_000
_LARGEST = 1e12
_PLACE = "trace"
_MAKE_ONE = "Make one with: voiceloop run --trace FILE"

Record = Mapping[str, Any]


@dataclass(slots=True)
class Records:
    """The records of one file by kind, in file order, and counts of what could not be read."""

    header: Record
    by_kind: dict[str, list[Record]] = field(default_factory=dict)
    bad_lines: int = 0
    cut_off: bool = False
    unknown: Counter[str] = field(default_factory=Counter)

    def of(self, kind: str) -> list[Record]:
        return self.by_kind.get(kind, [])


def read(path: Path) -> Records:
    """Read a trace file. Raises BadTraceFile, with a message of one line, if it can't be read or is not a trace."""
    try:
        with path.open("rb") as file:
            header = _header(file.readline(_HEAD_LIMIT), path)
            return _records(header, iter(lambda: file.readline(_LINE_LIMIT), b""))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadTraceFile(f"{path} can't be read: {reason}", place=_PLACE, remedy=_MAKE_ONE) from error


def _header(line: bytes, path: Path) -> Record:
    if not line:
        raise BadTraceFile(f"{path} is empty", place=_PLACE, remedy=_MAKE_ONE)
    header = _parsed(line)
    if header is None or header.get("k") != "trace":
        raise BadTraceFile(f"{path} is not a trace", place=_PLACE, remedy=_MAKE_ONE)
    version = header.get("version")
    if version != VERSION:
        what = f"{path} has format version {str(version)[:20]!r}; this voiceloop reads {VERSION}"
        raise BadTraceFile(what, place=_PLACE, remedy="Read it with the version of voiceloop that wrote it")
    try:
        number(header["at"]), number(header["time"])
    except (KeyError, ValueError):
        raise BadTraceFile(f"{path} has a damaged first line", place=_PLACE, remedy=_MAKE_ONE) from None
    return header


def _records(header: Record, lines: Iterable[bytes]) -> Records:
    records = Records(header)
    for line in lines:
        record = _parsed(line)
        complete = line.endswith(b"\n")
        if not complete:
            records.cut_off = True  # the program was killed while it wrote this line; the lines before are complete
        if record is None:
            if complete:
                records.bad_lines += 1
        elif (kind := str(record.get("k"))) in KINDS:
            records.by_kind.setdefault(kind, []).append(record)
        else:
            records.unknown[kind[:40]] += 1
    return records


def _parsed(line: bytes) -> Record | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def number(value: object) -> float:
    """A finite number of reasonable size. Raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{type(value).__name__} is not a number")  # noqa: TRY004 - one error for any damage
    # The size first: a whole number may be too large for a float.
    if abs(value) > _LARGEST or not math.isfinite(value):
        raise ValueError("not a reasonable number")
    return float(value)


def maybe(value: object) -> float | None:
    """As `number`, but None is returned as None."""
    return None if value is None else number(value)
