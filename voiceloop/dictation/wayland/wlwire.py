"""The Wayland wire format: encodes requests and decodes events (Wayland protocol, "Wire Format"). Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEADER = struct.Struct("=IHH")


@dataclass(frozen=True, slots=True)
class Message:
    """An event of the object `sender`; `body` holds its encoded arguments."""

    sender: int
    opcode: int
    body: bytes

    def numbers(self, count: int) -> tuple[int, ...]:
        """The first `count` arguments, if those are numbers, objects or new ids."""
        return struct.unpack_from(f"={count}I", self.body)

    def string(self, at: int = 0) -> str:
        """The argument that begins at byte `at`, if that is a string."""
        (length,) = struct.unpack_from("=I", self.body, at)
        return self.body[at + 4 : at + 4 + max(0, length - 1)].decode(errors="replace")


def request(target: int, opcode: int, *arguments: int | str) -> bytes:
    """Encode a request to the object `target`. Arguments: numbers, objects, new ids, strings; file descriptors are not
    part of the message, but sent with it."""
    body = b"".join(map(_argument, arguments))
    return _HEADER.pack(target, opcode, _HEADER.size + len(body)) + body


def messages(buffer: bytearray) -> Iterator[Message]:
    """Decode the complete messages at the front of `buffer`, and remove them from it."""
    while len(buffer) >= _HEADER.size:
        sender, opcode, size = _HEADER.unpack_from(buffer)
        if size < _HEADER.size or len(buffer) < size:
            return
        body = bytes(buffer[_HEADER.size : size])
        del buffer[:size]
        yield Message(sender, opcode, body)


def _argument(value: int | str) -> bytes:
    if isinstance(value, int):
        return struct.pack("=I", value)
    data = value.encode() + b"\0"
    return struct.pack("=I", len(data)) + data + bytes(-len(data) % 4)
