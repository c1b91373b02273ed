"""The recogniser's process as the daemon sees it: starting it, telling when it is ready or gone, killing it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import trio

from voiceloop.errors import EngineError

WORKER = Path(__file__).with_name("sphinx_worker.py")
PLACE = 'transcribe.use = "sphinx"'
SEND_BUFFER_BYTES = 1 << 20
"""What the kernel may hold of an utterance while the worker still loads."""
KILL_S = 2.0
"""A killed process is gone within milliseconds; one that is not (stuck in the kernel) is left to itself."""
_MODEL_REMEDY = "Check the paths of [transcribe] (hmm, lm, dictionary, jsgf, keyphrase), or remove them for English"
_INSTALL = "Install it again: pip install --force-reinstall pocketsphinx"


class DiedLoading(EngineError):
    """It may have been killed: another may live."""


class Worker:
    """The process and the socket to it."""

    def __init__(self, process: trio.Process, control: trio.socket.SocketType) -> None:
        self._process = process
        self._control = control
        self._told = bytearray()

    @classmethod
    async def start(cls, settings: dict[str, object]) -> Worker:
        ours, theirs = socket.socketpair()
        ours.sendall(json.dumps(settings).encode() + b"\n")  # far less than the socket holds
        try:
            with theirs:
                # -P: the script's folder has modules whose names are other packages' too. A group of its own, so that
                # its forks can be killed with it and Ctrl-C doesn't reach them.
                process = await trio.lowlevel.open_process(
                    [sys.executable, "-P", str(WORKER)], stdin=theirs, stdout=subprocess.DEVNULL, process_group=0
                )
        except BaseException:
            ours.close()
            raise
        return cls(process, trio.socket.from_stdlib_socket(ours))

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> None:
        """Wait until the model is loaded. Raises EngineError with the reason when it can't be."""
        while b"\n" not in self._told:
            data = await self._read()
            if not data:
                raise DiedLoading("the recogniser's process died while it loaded", place=PLACE, remedy=_INSTALL)
            self._told += data
        told = json.loads(self._told)
        if "error" in told:
            raise EngineError(f"pocketsphinx can't be started: {told['error']}", place=PLACE, remedy=_MODEL_REMEDY)

    async def ended(self) -> None:
        """Wait until the process is gone. Its forks, which have their own sockets, finish what they are at."""
        while await self._read():
            pass
        await self._process.wait()
        self._control.close()

    async def _read(self) -> bytes:
        try:
            return await self._control.recv(4096)
        except OSError:
            return b""

    async def utterance(self) -> trio.SocketStream:
        """The socket of a new utterance. Raises OSError when the worker is gone."""
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
            try:
                await self._control.sendmsg([b"u"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, _fds(theirs))])
            except BaseException:
                stream.socket.close()
                raise
        return stream

    async def kill(self) -> None:
        """End it and its forks, now."""
        self._control.close()
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, of a group of zombies
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


def _fds(sock: socket.socket) -> bytes:
    return sock.fileno().to_bytes(4, sys.byteorder)
