"""The bodies of requests with sound in them, made in small steps: encoding minutes of sound in one call would hold up
every thread. Pure."""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SOUND = "\x00sound\x00"
"""Stands for the sound in the value that is encoded."""
_STEP = 3 * 65_536
"""Bytes encoded at once: a multiple of three, so that the pieces join."""
PIECE = 131_072
"""Bytes that are handed to the connection at once."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A body but for its sound: what stands before it and after it."""

    kind: str
    """The content type."""
    head: bytes
    tail: bytes
    in_base64: bool

    def around(self, sound: bytes) -> tuple[str, bytes]:
        """Content type and bytes of the body with `sound` in it."""
        steps = [sound[at : at + _STEP] for at in range(0, len(sound), _STEP)] if self.in_base64 else [sound]
        written = map(_base64, steps) if self.in_base64 else steps
        return self.kind, b"".join([self.head, *written, self.tail])


class SoundWriter:
    """Writes sound into a body piece by piece: in base64 only multiples of three bytes, so that the pieces join."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._rest = b""

    def feed(self, sound: bytes) -> bytes:
        """The bytes of the body for the next sound."""
        if not self._envelope.in_base64:
            return sound
        whole = self._rest + sound
        end = len(whole) // 3 * 3
        self._rest = whole[end:]
        return _base64(whole[:end])

    def end(self) -> bytes:
        """The bytes of the body after the last sound."""
        rest, self._rest = self._rest, b""
        return (_base64(rest) if rest else b"") + self._envelope.tail


def json_envelope(value: Mapping[str, Any]) -> Envelope:
    """`value` as JSON, with the sound in base64 in the place of the string `SOUND`."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    head, tail = text.encode(errors="replace").split(json.dumps(SOUND).encode())
    return Envelope("application/json", head + b'"', b'"' + tail, in_base64=True)


def form_envelope(fields: Mapping[str, Any], file: tuple[str, str], boundary: str) -> Envelope:
    """A multipart form (RFC 7578) with the sound as its `file`, whose name and content type are given.

    A list is written as fields of the name with `[]`, an object as JSON: as the provider's SDK does.
    """
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode(errors="replace")
        for name, value in _parts(fields)
    ]
    name, kind = file
    last = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    head = b"".join([*lines, f"{last}Content-Type: {kind}\r\n\r\n".encode()])
    tail = f"\r\n--{boundary}--\r\n".encode()
    return Envelope(f"multipart/form-data; boundary={boundary}", head, tail, in_base64=False)


def _parts(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, list):
            yield from ((f"{name}[]", _text(item)) for item in value)
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _base64(sound: bytes) -> bytes:
    return binascii.b2a_base64(sound, newline=False)


def pieces(content: bytes) -> list[bytes]:
    """`content` in pieces, so that other tasks take their turns between them."""
    return [content[at : at + PIECE] for at in range(0, len(content), PIECE)]
