"""Packed JSON: a large JSON object kept as its own text, with a table of where each entry begins.

With hibari's dictionaries as Python objects a loaded voice takes 121 MB, and decoding them holds the GIL for 130 ms, in
which no audio callback could run. Packed, a loaded voice takes 63 MB; and the table is filled in Python code, which
lets other threads run.
"""

from __future__ import annotations

import json
import re
import zlib
from array import array
from typing import Any

_ENTRY = re.compile(rb'"((?:[^"\\]|\\.)*)":("(?:[^"\\]|\\.)*"|\{[^{}]*\})')
"""An entry of an object: its key, and its value, a string or a flat object."""

_BLOCK = 1 << 18
"""How many bytes are searched in one call."""


class PackedJson:
    """A read-only mapping over the text of a JSON object whose values are strings or flat objects.

    The table is a hash table with open addressing: a slot holds the place of an entry in the text, or 0.
    """

    def __init__(self, text: bytes, begin: int = 0) -> None:
        """`text` holds, at `begin`, the object's opening brace: UTF-8, no spaces between its parts.

        Raises ValueError if the object does not end.
        """
        self._text = text
        entries = _count(b'":"', text, begin) + _count(b'":{', text, begin)
        self._mask = (1 << (3 * entries // 2).bit_length()) - 1
        self._table = array("I", bytes((self._mask + 1) * 4))
        self._fill(begin + 1)

    def _fill(self, at: int) -> None:
        """Fill the table with the entries from `at` on, up to the closing brace."""
        text, table, mask, hashed, first = self._text, self._table, self._mask, zlib.crc32, at
        for entry in _ENTRY.finditer(text, at):
            if entry.start() != at:
                break  # beyond the brace
            slot = hashed(entry[1]) & mask
            while table[slot]:
                slot = (slot + 1) & mask
            table[slot] = at
            at = entry.end() + 1
        # Behind the last entry is the brace; in an empty object it is the first character.
        if b"}" not in {text[at - 1 : at], text[at : at + 1] if at == first else b""}:
            raise ValueError("the JSON object does not end")

    def get(self, key: str, default: Any = None) -> Any:
        """The value of `key`."""
        quoted = json.dumps(key, ensure_ascii=False).encode("utf-8", "surrogatepass")
        slot = zlib.crc32(quoted[1:-1]) & self._mask
        while place := self._table[slot]:
            if self._text.startswith(quoted + b":", place):
                entry = _ENTRY.match(self._text, place)
                assert entry is not None, "the table holds only places of entries"
                return json.loads(entry[2])
            slot = (slot + 1) & self._mask
        return default


def _count(part: bytes, text: bytes, begin: int) -> int:
    """How often `part` is in `text` from `begin` on. Counted block by block: one call would hold the GIL for 8 ms."""
    return sum(text.count(part, at, at + _BLOCK + len(part) - 1) for at in range(begin, len(text), _BLOCK))
