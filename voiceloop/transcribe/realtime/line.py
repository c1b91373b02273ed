"""One connection to a server that hears speech while it is spoken. It carries one utterance at a time.

    opening -> idle <-> hearing an utterance -> idle ...     an utterance is given up: clearing -> idle
       any of them -> gone

Its methods never wait: what is to be sent is queued, also while the connection is still being opened.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio

from voiceloop.audio.resample import Resampler
from voiceloop.errors import BadRequest, ServiceError, TimedOut, VoiceloopError
from voiceloop.net.failures import bad_answer, clean
from voiceloop.net.service import Request, Service
from voiceloop.net.trust import IDLE_S, PROOF_S
from voiceloop.nursery import private_nursery
from voiceloop.transcribe.realtime import protocol
from voiceloop.transcribe.realtime.protocol import Hearing, append
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

if TYPE_CHECKING:
    from voiceloop.net.websocket import WebSocket

CHUNK_BYTES = CAPTURE_RATE_HZ * SAMPLE_BYTES // 10
"""Sound is sent in pieces of 0.1 s: ten small messages a second."""
LARGEST_BYTES = 10 * CHUNK_BYTES
"""No message has more than a second of sound: servers limit the size of a message."""
CLEARED_S = 5.0
"""How long a server may take to forget the sound of an utterance that was given up."""
_SILENT = "Try again; if the error persists, raise read_timeout_s or use another engine"
Heard = Callable[[str], None]


def _nothing(_text: str) -> None:
    """The listener of an utterance that nobody follows."""


class Line:
    """A connection. `run` opens it and serves it until it is closed or lost."""

    def __init__(self, service: Service, request: Request, update: str) -> None:
        self._service, self._request, self._update = service, request, update
        self.opened_at = trio.current_time()
        self.open = self.gone = False
        """`open`: the server is ready. `gone`: the connection has ended; `error` says why, if it was not closed."""
        self.unproved = False
        """It was closed because no sign of life came in time, after it had long been idle."""
        self.error: VoiceloopError | None = None
        self.hearing: Hearing | None = None
        """The utterance that it carries."""
        self.clearing = False
        """The server is still to forget an utterance that was given up."""
        self._heard: Heard = _nothing
        self._over: frozenset[str] = frozenset()
        self._scope = trio.CancelScope()
        self._changed = trio.Event()
        # Unbounded in name only: it holds no more than the sound of one utterance.
        self._queue, self._queued = trio.open_memory_channel[str | None](math.inf)
        """Messages to send; None for a ping."""
        self._resampler = Resampler(from_hz=CAPTURE_RATE_HZ, to_hz=protocol.RATE_HZ)
        self._rest = bytearray()

    @property
    def free(self) -> bool:
        """Whether an utterance may begin."""
        return not self.gone and not self.clearing and self.hearing is None

    # One utterance

    def begin(self) -> Hearing:
        """Begin an utterance."""
        assert self.free
        self.hearing, self._heard = Hearing(self._over), _nothing
        self._resampler = Resampler(from_hz=CAPTURE_RATE_HZ, to_hz=protocol.RATE_HZ)
        self._rest.clear()
        # A computer that has slept believes in connections that are long gone.
        self._queue.send_nowait(None)
        return self.hearing

    def follow(self, heard: Heard) -> None:
        """Have `heard` called with the words so far, whenever there are more of them."""
        self._heard = heard

    def feed(self, pcm: bytes) -> None:
        """Take speech: int16, mono, 16 kHz."""
        self._rest += pcm
        while len(self._rest) >= CHUNK_BYTES:
            piece = bytes(self._rest[:LARGEST_BYTES])
            del self._rest[:LARGEST_BYTES]
            self._append(self._resampler.feed(piece))

    def commit(self) -> None:
        """The utterance is complete."""
        assert self.hearing is not None
        self._append(self._resampler.feed(bytes(self._rest), last=True))
        self._rest.clear()
        self._put(protocol.COMMIT)
        self.hearing.commit()

    async def text(self) -> bool:
        """Wait until the text is complete. False: there will be none, and `error` says why."""
        hearing, limit_s = self.hearing, self._service.settings.read_timeout_s
        assert hearing is not None
        while not hearing.done and not self.gone:
            with trio.move_on_after(limit_s) as scope:
                await self._changed.wait()
            if scope.cancelled_caught:
                where = self._service.where(self._request)
                self.lose(TimedOut(f"no text came for {limit_s:g} s", place=str(where), remedy=_SILENT))
        await trio.lowlevel.checkpoint()
        return hearing.done

    def end(self) -> bool:
        """The utterance is over: its text is known, or it is given up. True if the server must first forget it."""
        hearing, self.hearing, self._heard = self.hearing, None, _nothing
        if hearing is None or self.gone:
            return False
        self._over |= hearing.items
        if not hearing.done:
            if hearing.begun:  # more of its text may come, and would be taken for that of the next utterance
                self.close()
                return False
            self.clearing = True
            self._put(protocol.CLEAR)
        return self.clearing

    async def cleared(self) -> None:
        """Wait until the server has forgotten what was given up; close the connection if it doesn't say so in time."""
        with trio.move_on_after(CLEARED_S):
            while self.clearing and not self.gone:
                await self._changed.wait()
        if self.clearing:
            self.close()

    def _append(self, pcm: bytes) -> None:
        if pcm:
            self._put(append(pcm))

    def _put(self, message: str) -> None:
        if not self.gone:
            self._queue.send_nowait(message)

    # The connection

    def close(self) -> None:
        """End the connection."""
        self.gone = True
        self._scope.cancel("the line is closed")
        self._notify()

    def lose(self, error: VoiceloopError) -> None:
        """End the connection because of an error."""
        self.error = self.error or error
        self.close()

    async def run(self) -> None:
        """Open the connection and serve it. Raises nothing that a server can cause: `error` has it."""
        with self._scope:
            try:
                async with self._service.websocket(self._request) as socket:
                    await self._greet(socket)
                    self.open = True
                    self._notify()
                    async with private_nursery() as nursery:
                        nursery.start_soon(self._send, socket, nursery, name="send speech")
                        while True:
                            self._take(self._parsed(await socket.receive()))
            except VoiceloopError as error:
                self.lose(error)
        self.gone = True
        self._notify()

    async def _greet(self, socket: WebSocket) -> None:
        """Make the session one of transcription, and wait until the server confirms it."""
        limit_s = self._service.settings.connect_timeout_s
        where = self._service.where(self._request)
        with trio.move_on_after(limit_s):
            await socket.send(self._update)
            while not protocol.is_ready(event := self._parsed(await socket.receive())):
                if event["type"] == "error":
                    said = clean(protocol.message_of(event), hide=where.hide)
                    remedy = "Check the options in [transcribe] of the config"
                    raise BadRequest(f"the server refused the session: {said}", place=str(where), remedy=remedy)
            return
        raise TimedOut(f"the server did not begin a session within {limit_s:g} s", place=str(where), remedy=_SILENT)

    async def _send(self, socket: WebSocket, nursery: trio.Nursery) -> None:
        async for message in self._queued:
            if message is not None:
                await socket.send(message)
                continue
            if (now := trio.current_time()) - socket.heard_at >= IDLE_S:
                nursery.start_soon(self._prove, socket, now, name="await a sign of life")
            await socket.ping()

    async def _prove(self, socket: WebSocket, asked_at: float) -> None:
        await trio.sleep(PROOF_S)
        if socket.heard_at < asked_at:
            self.unproved = True
            self.close()

    def _parsed(self, text: str) -> dict[str, Any]:
        event = protocol.parse(text)
        if event is None:
            raise bad_answer("a message of the server is no event", self._service.where(self._request))
        return event

    def _take(self, event: dict[str, Any]) -> None:
        if self.clearing:
            self._take_unheard(event)
        elif self.hearing is not None:
            before = self.hearing.text
            self.hearing.take(event)
            if self.hearing.failure is not None:
                raise self._failed(self.hearing.failure)
            if self.hearing.commits_again():
                self._put(protocol.COMMIT)
            if (text := self.hearing.text) != before:
                self._heard(text)
        elif event["type"] == "error":
            raise self._failed(protocol.message_of(event))
        self._notify()

    def _take_unheard(self, event: dict[str, Any]) -> None:
        if event["type"] == "input_audio_buffer.cleared":
            self.clearing = False
        elif isinstance(event.get("item_id"), str):
            self.close()  # as in `end`

    def _failed(self, said: str) -> ServiceError:
        where = self._service.where(self._request)
        shown = clean(said, hide=where.hide)
        return bad_answer(f"the server failed: {shown}", where, remedy="See what the server says in its own log")

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
