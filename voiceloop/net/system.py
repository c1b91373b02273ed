"""What the operating system knows of connections: acknowledgements, and how long the computer was suspended.

Linux tells both. Elsewhere nothing is known, and nothing is concluded from that.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from dataclasses import dataclass
from typing import Protocol

_UNACKED, _LAST_ACK_RECV = 24, 56
"""Where `struct tcp_info` (linux/tcp.h) has its fields `tcpi_unacked` and `tcpi_last_ack_recv`. Its beginning is the
same in every version of Linux."""
_INFO_BYTES = 60


class HasOptions(Protocol):
    """A socket, of the standard library or of Trio."""

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of what was sent on a TCP connection."""

    unacknowledged: int
    """Segments that are on their way. None when the other side's window is full."""
    last_s: float
    """How long ago the other side acknowledged anything."""


def sent(connection: HasOptions) -> Sent | None:
    """What became of what was sent; None where the system doesn't tell."""
    if sys.platform != "linux":
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except OSError:
        return None
    if len(info) < _INFO_BYTES:
        return None
    (unacknowledged,) = struct.unpack_from("I", info, _UNACKED)
    (last_ms,) = struct.unpack_from("I", info, _LAST_ACK_RECV)
    return Sent(unacknowledged, last_ms / 1000)


def suspended_s() -> float:
    """Seconds for which the computer has been suspended since it started; always 0 where the system doesn't tell."""
    if sys.platform != "linux":
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
