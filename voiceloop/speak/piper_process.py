"""Piper's process from the daemon's side: starting it, sending texts, receiving sound, noticing its death.

`piper_worker.py` describes what is said over the socket.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

WORKER = Path(__file__).with_name("piper_worker.py")
PATIENCE_S = 20.0
"""How long a piece of text may take until the process is taken for hung. A piece of 100 characters takes 0.7 s on one
core."""
LOAD_PATIENCE_S = 60.0
"""How long loading may take. A large voice takes 2 s from a cold disk."""
_RECEIVE_BYTES = 1 << 16


class Died(Exception):
    """The process ended, was killed, or hangs and was killed here."""


class Refused(Exception):
    """The process reports that it can't load the voice, or can't speak a text."""


@dataclass(slots=True, eq=False)
class _Answer:
    """What comes back for one text; the start counts as one, too."""

    here: trio.Event = field(default_factory=trio.Event)
    head: Mapping[str, Any] = field(default_factory=dict)
    pcm: bytes = b""

    def set(self, head: Mapping[str, Any], pcm: bytes = b"") -> None:
        self.head, self.pcm = head, pcm
        self.here.set()

    async def wait(self, patience_s: float) -> None:
        """Wait for it. Raises Died and Refused."""
        with trio.move_on_after(patience_s):
            await self.here.wait()
        if not self.head:
            raise Died
        if "error" in self.head:
            raise Refused(self.head["error"])


class Worker:
    """One process. `run` must run as long as it is used."""

    def __init__(self, process: trio.Process, control: trio.SocketStream) -> None:
        self._process, self._control = process, control
        self._start = _Answer()
        self._answers: dict[int, _Answer] = {}
        self._texts = 0
        self._turn = trio.Lock()
        self._last: _Answer | None = None
        """The answer to the text that was sent last, wanted or not."""
        self.alive = True

    @classmethod
    async def start(cls, settings: Mapping[str, object]) -> Worker:
        """Start the process; doesn't wait until the voice is loaded."""
        ours, theirs = socket.socketpair()
        ours.sendall(json.dumps(settings).encode() + b"\n")  # can't block: far less than the socket's buffer
        try:
            with theirs:
                # -P keeps the script's folder, which has a `piper.py`, out of sys.path. In a process group of its own
                # Ctrl-C does not reach it.
                process = await trio.lowlevel.open_process(
                    [sys.executable, "-P", str(WORKER)],
                    stdin=theirs,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    process_group=0,
                )
        except BaseException:
            ours.close()
            raise
        return cls(process, trio.SocketStream(trio.socket.from_stdlib_socket(ours)))

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> int:
        """Wait until the voice is loaded; returns its rate in Hz. Raises Died and Refused."""
        await self._until(self._start, LOAD_PATIENCE_S)
        rate_hz: int = self._start.head["rate_hz"]
        return rate_hz

    async def speak(self, text: str) -> bytes:
        """The sound of `text`: int16, mono. Raises Died and Refused.

        When cancelled, this returns at once; the process finishes the text before it gets the next one. A text that is
        cancelled while it waits for that is never sent, so several of them delay nobody.
        """
        async with self._turn:
            if self._last is not None:
                with suppress(Refused):
                    await self._until(self._last, PATIENCE_S)
            if not self.alive:
                raise Died
            self._texts += 1
            answer = self._last = self._answers[self._texts] = _Answer()
            await self._send({"id": self._texts, "text": text})
        await self._until(answer, PATIENCE_S)
        return answer.pcm

    async def _send(self, request: Mapping[str, object]) -> None:
        # Shielded: half a line would spoil all that follow. The buffer of the socket holds hundreds of lines.
        with trio.move_on_after(PATIENCE_S, shield=True):
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # `run` notices the death
                await self._control.send_all(json.dumps(request).encode() + b"\n")

    async def _until(self, answer: _Answer, patience_s: float) -> None:
        """Wait for an answer. A process that does not answer is killed."""
        try:
            await answer.wait(patience_s)
        except Died:
            self.kill()
            raise

    async def run(self) -> None:
        """Hand out the answers until the process ends; then end what is left of it."""
        received = bytearray()
        try:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                while data := await self._control.receive_some(_RECEIVE_BYTES):
                    received += data
                    self._take(received)
        finally:
            self.kill()
            with trio.CancelScope(shield=True):
                await self._process.wait()

    def kill(self) -> None:
        """Kill the process. Whoever waits for an answer is told."""
        self.alive = False
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, for a group of zombies
                os.killpg(self._process.pid, signal.SIGKILL)
        self._control.socket.close()
        for answer in (self._start, *self._answers.values()):
            answer.here.set()

    def _take(self, received: bytearray) -> None:
        """Take the complete frames out of `received`."""
        while (end := received.find(b"\n") + 1) > 0:
            head = json.loads(received[:end])
            length = head.get("bytes", 0)
            if len(received) < end + length:
                return
            answer = self._answers.pop(head["id"]) if "id" in head else self._start
            answer.set(head, bytes(received[end : end + length]))
            del received[: end + length]
