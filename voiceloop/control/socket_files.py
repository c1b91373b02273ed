"""The files of the control sockets: their paths, their locks, and which are in use."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voiceloop.control.peer import distrust
from voiceloop.errors import ControlError
from voiceloop.journal.locks import FileLock
from voiceloop.system.forced_end import removed_at_forced_end

PLACE = "control"
BACKLOG = 128
"""Connections that may wait to be accepted."""


def folder() -> Path:
    """The folder of this user's sockets: in $XDG_RUNTIME_DIR, else in /run/user/UID, else in the temporary folder."""
    candidates = (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.geteuid()}")
    runtime = next((Path(path) for path in candidates if path and os.path.isdir(path)), None)  # noqa: PTH112 - no error
    return runtime / "voiceloop" if runtime is not None else Path(tempfile.gettempdir()) / f"voiceloop-{os.geteuid()}"


def socket_path(name: str) -> Path:
    """The path of the socket of the program `name`."""
    return folder() / f"{name}.sock"


def living() -> list[str]:
    """The names of the running programs that accept connections. Raises ControlError as `check_folder` does."""
    check_folder()
    return sorted(path.stem for path in folder().glob("*.sock") if _answers(path))


def check_folder() -> None:
    """Raise ControlError when the sockets' folder is another user's, or open to others: whoever made it would be given
    our commands, and could answer anything. No folder is no error."""
    path = folder()
    try:
        why = distrust(path)
    except FileNotFoundError:
        return
    except OSError as error:
        why = f"it can't be looked into: {(error.strerror or str(error)).lower()}"
    if why:
        remedy = f"Remove {path}, or set XDG_RUNTIME_DIR to a folder of your own; then start the program again"
        raise ControlError(f"the sockets in {path} are not trusted: {why}", place=PLACE, remedy=remedy)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        try:
            sock.connect(str(path))
        except OSError as error:
            # The program runs but its backlog is full. A blocking connect would wait too: for ever, if the program is
            # stopped.
            return error.errno in {errno.EAGAIN, errno.EINPROGRESS}
    return True


class Taken(ControlError):
    """Another running program has this name."""


@contextmanager
def listening(name: str) -> Iterator[socket.socket]:
    """A listening socket for the program `name`, open to its user only and removed at the end.

    A socket left by a killed program is replaced. Raises `Taken` when another program has the name, or `ControlError`
    when the socket can't be created.
    """
    path = socket_path(name)
    try:
        _make_folder(path.parent)
        lock = FileLock.take(path.with_suffix(".lock"))
    except OSError as error:
        raise _creation_error(path, error) from error
    if lock is None:
        raise _taken_error(name, path)
    try:
        lock.write(f"{os.getpid()}\n")
        with (
            removed_at_forced_end(path, lock.path),
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock,
        ):
            try:
                path.unlink(missing_ok=True)
                sock.bind(str(path))  # until the next line, the folder keeps other users out
                path.chmod(0o600)
                sock.listen(BACKLOG)
            except OSError as error:
                raise _creation_error(path, error) from error
            try:
                yield sock
            finally:
                path.unlink(missing_ok=True)
    finally:
        lock.release()


def _make_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if why := distrust(path):
        raise PermissionError(errno.EPERM, why)


def _taken_error(name: str, path: Path) -> Taken:
    try:
        owner = path.with_suffix(".lock").read_text().strip()
    except OSError:
        owner = ""
    holder = f"process {owner}" if owner.isdigit() else "another process"
    return Taken(
        f"'voiceloop {name}' is already running: {holder} has {path}",
        place=PLACE,
        remedy=f"End that one, or give this one another name: --set control.name={name}2",
    )


def _creation_error(path: Path, error: OSError) -> ControlError:
    reason = (error.strerror or str(error)).lower()
    return ControlError(
        f"{path} can't be created: {reason}",
        place=PLACE,
        remedy="Fix XDG_RUNTIME_DIR, or run without control: --set control.enabled=false",
    )
