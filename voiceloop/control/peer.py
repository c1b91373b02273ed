"""The other end of a connection of the control socket: whose process it is, and whose the files are."""

from __future__ import annotations

import os
import socket
import stat
import struct
from pathlib import Path
from typing import Protocol

_CREDENTIALS = struct.Struct("3i")
"""Process, user and group, as Linux tells them."""


class _Socket(Protocol):
    def getsockopt(self, level: int, option: int, length: int, /) -> bytes: ...


def is_own_peer(sock: _Socket) -> bool:
    """Whether the process at the other end belongs to this user or to root. True where the system doesn't tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, user, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return user in {os.geteuid(), 0}


def distrust(folder: Path) -> str:
    """Why a folder is not used for this user's sockets; empty if it is fit. Raises OSError when there is none."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return "its folder is not a folder of your own"
    if found.st_uid != os.geteuid():
        return f"its folder belongs to another user ({found.st_uid})"
    if stat.S_IMODE(found.st_mode) & 0o077:
        return "other users can access its folder"
    return ""
