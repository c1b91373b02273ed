"""The recogniser's process from the daemon's side: starting it, waiting until it is ready or gone, killing it."""

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
"""Socket buffer for an utterance: holds speech while the worker is still loading."""
KILL_S = 2.0
"""Time to wait for a killed process. It ends within milliseconds; one stuck in the kernel is left alone."""
_MODEL_REMEDY = "Check the paths of [transcribe] (hmm, lm, dictionary, jsgf, keyphrase), or remove them for English"
_INSTALL = "Install it again: pip install --force-reinstall pocketsphinx"


class DiedLoading(EngineError):
    """The process died while it loaded. Perhaps it was killed, so starting another may help."""


class Worker:
    """The process and the control socket to it."""

    def __init__(self, process: trio.Process, control: trio.socket.SocketType) -> None:
        self._process = process
        self._control = control
        self._received = bytearray()

    @classmethod
    async def start(cls, settings: dict[str, object]) -> Worker:
        """Start the process. `settings` are those of the decoder. Does not wait until the model is loaded."""
        ours, theirs = socket.socketpair()
        ours.sendall(json.dumps(settings).encode() + b"\n")  # can't block: far less than the socket's buffer
        try:
            with theirs:
                # -P: keep the script's folder out of sys.path, since its modules share names with other packages. A
                # separate process group: its forks can be killed with it, and Ctrl-C doesn't reach them.
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
        """Wait until the model is loaded. Raises `EngineError` with the reason when loading fails."""
        while b"\n" not in self._received:
            data = await self._read()
            if not data:
                raise DiedLoading("the recogniser's process died while it loaded", place=PLACE, remedy=_INSTALL)
            self._received += data
        message = json.loads(self._received)
        if "error" in message:
            raise EngineError(f"pocketsphinx can't be started: {message['error']}", place=PLACE, remedy=_MODEL_REMEDY)

    async def ended(self) -> None:
        """Wait until the process has ended. Its forks have their own sockets and finish their utterances."""
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
        """A socket to a new fork, for one utterance. Raises `OSError` when the worker has ended."""
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
        """Kill the process and its forks."""
        self._control.close()
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, for a group of zombies
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


def _fds(sock: socket.socket) -> bytes:
    return sock.fileno().to_bytes(4, sys.byteorder)
