"""Clips that are sent while they are spoken (`upload = "streamed"`): at a pause hardly anything is left to send.

    speech     ---------------------------- pause                 goes on
    request    opened  chunk chunk chunk    ended  -> the text     x: cancelled; the next is opened, and filled from the
                                            x cancelled: a noise      beginning while the talk goes on

A body is ended only where a clip would be posted. What was a noise, or is thrown away, is cancelled: it costs a
connection and room on the line, and counts among the session's posts. A server that refuses is heard only after the
end, so the sound is kept: it is then posted whole (`posting.py`), and no further clip is sent as it is spoken. What
refuses is

    400, 411, 413, 415, 422, 501 unless something else was to blame, which the whole clip then shows
    500                          the second time in a row: some fail so that want to know a file's length
    a connection that it closes  before it has answered; one that had been idle only the second time in a row, as
                                 servers close these anyway; not one that is dead
    3 s in which it takes nothing
    a transcript                 before it has taken all of the clip

Silence after the end is no refusal: a server that thinks for long would be paid twice.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from voiceloop.audio.clip_formats import ClipFormat
from voiceloop.errors import BadAnswer, ServiceError, TimedOut, Unreachable
from voiceloop.net.attempt import Attempt
from voiceloop.net.bodies import Envelope, SoundWriter
from voiceloop.net.service import JsonAnswer, Request, Service
from voiceloop.net.upload import Upload
from voiceloop.nursery import private_nursery
from voiceloop.transcribe.answers import transcript
from voiceloop.transcribe.growing_clip import GrowingClip
from voiceloop.types import Transcript, Utterance

PATH = "/audio/transcriptions"
_REFUSING = frozenset({400, 411, 413, 415, 422, 501})
_MEANT_FOR_FORMAT = frozenset({400, 415, 422})
_FAILED = 500
"""What servers answer, too, whose decoder wants the length of a file."""
_TAKEN_S = 3.0
"""A server that takes nothing for so long refuses."""
_LOOK_S = 0.5
_CLOSED = "it closed the connection"


class Streams:
    """Opens the requests of one transcriber, and remembers whether its server takes them."""

    def __init__(self, service: Service, model: str, notify: Callable[[str], None]) -> None:
        self._service, self._model, self._notify = service, model, notify
        self._refused = self._doubted = False
        """`_doubted`: the latest clip failed in a way that may be a refusal."""

    def begin(self, nursery: trio.Nursery, kind: ClipFormat, envelope: Envelope) -> StreamedClip | None:
        """Open a request. None where the server doesn't take it, or the session's limits leave no room for posts that
        may be thrown away."""
        room = self._service.room
        if self._refused or room.crowded or not room.ample:
            return None
        clip = StreamedClip(self._service, self._model, kind, envelope)
        nursery.start_soon(clip.run, name="send a clip while it is spoken")
        return clip

    def taken(self) -> None:
        """The server has answered one."""
        self._doubted = False

    def doubted(self, how: str) -> None:
        """One failed in a way that may be a refusal, and the same clip was taken as a whole."""
        if self._doubted:
            self.refused(how)
        self._doubted = True

    def refused(self, how: str) -> None:
        """The server has refused one, and taken the same clip as a whole."""
        if not self._refused:
            self._refused = True
            self._notify(f"{self._service.shown_url} takes no clip while it is spoken ({how}): whole ones from now on")


class StreamedClip:
    """One clip on its way. Used in one task, beside `run` in another."""

    def __init__(self, service: Service, model: str, kind: ClipFormat, envelope: Envelope) -> None:
        self._service, self._model, self._kind, self._envelope = service, model, kind, envelope
        self._scope = trio.CancelScope()
        self._over = trio.Event()
        self._answer: JsonAnswer | None = None
        self._failure: ServiceError | None = None
        self._tried = Attempt()
        self._stalled = False
        self._ended_at = trio.current_time()
        self._open()

    def _open(self) -> None:
        self._writer = SoundWriter(self._envelope)
        self._upload = Upload(self._envelope.kind)
        self._upload.put(self._envelope.head)
        self._growing = GrowingClip(self._kind, self._take)

    @property
    def duration_s(self) -> float:
        """How much was fed."""
        return self._growing.duration_s

    async def feed(self, pcm: bytes) -> None:
        """Take what is said next."""
        if self._over.is_set():
            await trio.lowlevel.checkpoint()
        else:
            await self._growing.feed(pcm)

    def _take(self, sound: bytes) -> None:
        if data := self._writer.feed(sound):
            self._upload.put(data)

    def abandon(self) -> None:
        """Send no more: the clip won't be of use."""
        self._scope.cancel("the clip is not sent as it is spoken")

    async def finish(self, utterance: Utterance) -> Transcript | None:
        """End the body, and return the text. None if there is none and the clip is to be posted whole. Raises a
        `ServiceError` if it is not."""
        if self._over.is_set() or not await self._growing.complete(utterance):
            self.abandon()
            return None
        self._upload.put(self._writer.end())
        self._upload.end()
        self._ended_at = trio.current_time()
        await self._over.wait()
        if self._answer is not None and self._upload.complete:
            result = transcript(self._answer, utterance, self._service.where(self._request))
            self._service.spent(result.usage)
            return result
        await self._wait(self._failure)
        return None

    async def _wait(self, error: ServiceError | None) -> None:
        """Wait until the clip may be posted whole after `error`. Raises it if it may not."""
        if isinstance(error, BadAnswer) and self._upload.complete:
            raise error
        if error is None or self.refusal or not (error.retryable or isinstance(error, TimedOut)):
            return
        wait_s = self._service.wait_s(error, trio.current_time() - self._ended_at, stale=self.may_be_stale)
        if wait_s is None:
            raise error
        await trio.sleep(wait_s)

    @property
    def refusal(self) -> str:
        """How the server has refused it, in a few words; empty if it has not."""
        error = self._failure
        if self._answer is not None and not self._upload.complete:
            return "it answers before the end"
        if self._stalled:
            return f"it took nothing for {_TAKEN_S:g} s"
        if error is not None and error.status in _REFUSING:
            return f"HTTP {error.status}"
        heard, connected = self._tried.heard, self._tried.connected
        # An answer that breaks off when all was taken is a fault of the line.
        refused = not self._upload.complete if heard else connected
        return _CLOSED if self._was_closed and refused else ""

    @property
    def may_be_stale(self) -> bool:
        """Whether it broke off on a connection that had been idle, which a server may have closed at any time."""
        return self._was_closed and not (self._tried.connected or self._tried.heard)

    @property
    def doubt(self) -> str:
        """How it has failed in a way that is a refusal if the next one fails, too; empty if it has not."""
        if self._failure is not None and self._failure.status == _FAILED:
            return f"HTTP {_FAILED}"
        return _CLOSED if self.may_be_stale else ""

    @property
    def _was_closed(self) -> bool:
        return isinstance(self._failure, Unreachable) and self._upload.begun and not self._tried.lost

    @property
    def refused_by_status(self) -> bool:
        """Whether the refusal may be meant for the clip itself, or for its format."""
        return self._failure is not None and self._failure.status in _MEANT_FOR_FORMAT

    @property
    def _request(self) -> Request:
        return Request(PATH, upload=self._upload, model=self._model)

    async def run(self) -> None:
        """Send it, and keep what becomes of it. Raises nothing that a server can cause."""
        try:
            with self._scope:
                await self._service.passed()
                async with private_nursery() as nursery:
                    nursery.start_soon(self._watch, name="watch whether the server takes anything")
                    self._answer = await self._service.call_once(self._request, self._tried)
        except ServiceError as error:
            self._failure = error
        finally:
            self._over.set()

    async def _watch(self) -> None:
        while not self._stalled:
            await trio.sleep(_LOOK_S)
            self._stalled = self._upload.stalled_s(trio.current_time()) >= _TAKEN_S
        self.abandon()
