"""Where control sockets are, and who has them."""

from __future__ import annotations

import errno
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voiceloop.errors import ControlError
from voiceloop.journal.locks import FileLock

PLACE = "control"
BACKLOG = 128


def folder() -> Path:
    """Where this user's sockets are: in XDG_RUNTIME_DIR, or where that would be, or among the temporary files."""
    own = f"voiceloop-{os.geteuid()}"
    places = (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.geteuid()}")
    there = next((Path(place) for place in places if place and Path(place).is_dir()), None)
    return there / "voiceloop" if there is not None else Path(tempfile.gettempdir()) / own


def socket_path(name: str) -> Path:
    """The socket of the program that runs under this name."""
    return folder() / f"{name}.sock"


def living() -> list[str]:
    """The names of the programs that can be reached."""
    return sorted(path.stem for path in folder().glob("*.sock") if _answers(path))


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        try:
            sock.connect(str(path))
        except OSError as error:
            # It lives, and so many wait for it: a connect that blocks would wait too, for ever if it was stopped.
            return error.errno in {errno.EAGAIN, errno.EINPROGRESS}
    return True


class Taken(ControlError):
    """A living program has this name."""


@contextmanager
def listening(name: str) -> Iterator[socket.socket]:
    """A socket under this name, for its user alone; removed at the end. What a killed program left is replaced.

    Raises `Taken`, or `ControlError` when it can't be made.
    """
    path = socket_path(name)
    try:
        _make_folder(path.parent)
        lock = FileLock.take(path.with_suffix(".lock"))
    except OSError as error:
        raise _cant(path, error) from error
    if lock is None:
        raise _taken(name, path)
    try:
        lock.write(f"{os.getpid()}\n")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            try:
                path.unlink(missing_ok=True)
                sock.bind(str(path))  # the folder lets nobody else in before the next line
                path.chmod(0o600)
                sock.listen(BACKLOG)
            except OSError as error:
                raise _cant(path, error) from error
            try:
                yield sock
            finally:
                path.unlink(missing_ok=True)
    finally:
        lock.release()


def _make_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = path.stat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(errno.EPERM, "its folder is not yours alone")


def _taken(name: str, path: Path) -> Taken:
    try:
        owner = path.with_suffix(".lock").read_text().strip()
    except OSError:
        owner = ""
    whose = f"process {owner}" if owner.isdigit() else "another process"
    return Taken(
        f"'voiceloop {name}' runs already: {whose} has {path}",
        place=PLACE,
        remedy=f"End that one, or give this one a name of its own: --set control.name={name}2",
    )


def _cant(path: Path, error: OSError) -> ControlError:
    reason = (error.strerror or str(error)).lower()
    return ControlError(
        f"{path} can't be made: {reason}",
        place=PLACE,
        remedy="Mend XDG_RUNTIME_DIR, or do without: --set control.enabled=false",
    )
