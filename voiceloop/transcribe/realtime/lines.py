"""The connections to one server: hands one out for each utterance, opens them again after a growing pause."""

from __future__ import annotations

import trio

from voiceloop.errors import VoiceloopError
from voiceloop.events import Publish
from voiceloop.net import system
from voiceloop.net.service import Request, Service
from voiceloop.net.trust import Suspends
from voiceloop.transcribe.realtime.line import Line
from voiceloop.transcribe.realtime.pauses import Pauses

MOST = 4
"""How many connections are open at once: two sources, each with an utterance whose last words are awaited."""
RETIRED_S = 1500.0
"""A connection that is this old carries no further utterance: servers end sessions after 30 or 60 minutes."""


class Lines:
    """The connections. `update` is the first message on each."""

    def __init__(
        self, service: Service, request: Request, update: str, nursery: trio.Nursery, publish: Publish
    ) -> None:
        self._service, self._request, self._update = service, request, update
        self._nursery, self._publish = nursery, publish
        self._lines: list[Line] = []
        self._pauses = Pauses()
        self._suspends = Suspends(system.suspended_s())

    @property
    def available(self) -> bool:
        """Whether an utterance that begins now can be streamed, or that may at least be tried."""
        if not self._service.has_room:
            return False
        return self._free() is not None or self._may_open

    @property
    def _may_open(self) -> bool:
        return len(self._lines) < MOST and self._pauses.over(trio.current_time())

    def warm(self) -> None:
        """Have a connection, ready for the next utterance or busy with one."""
        if self._free() is None and not self._lines and self._may_open:
            self._open()

    def begin(self) -> Line | None:
        """A connection with a new utterance; None if there is none now."""
        if not self.available:
            return None
        line = self._free() or self._open()
        line.begin()
        return line

    def end(self, line: Line) -> None:
        """The utterance of a connection is over, or given up."""
        if line.end():
            self._nursery.start_soon(line.cleared, name="forget an utterance")

    def worked(self) -> None:
        """An utterance was streamed, and its text has come."""
        if self._pauses.down:
            self._publish("notice", text=f"{self._service.shown_url}: speech is streamed again.")
        self._pauses.worked()

    def _free(self) -> Line | None:
        now, suspended = trio.current_time(), self._suspends.again(system.suspended_s())
        for line in [line for line in self._lines if line.free and (suspended or now - line.opened_at > RETIRED_S)]:
            line.close()
        self._lines = [line for line in self._lines if not line.gone]
        return next((line for line in sorted(self._lines, key=lambda line: not line.open) if line.free), None)

    def _open(self) -> Line:
        line = Line(self._service, self._request, self._update)
        self._lines.append(line)
        self._nursery.start_soon(self._run, line, name="a line for speech")
        return line

    async def _run(self, line: Line) -> None:
        await line.run()
        if line in self._lines:
            self._lines.remove(line)
        if line.unproved:
            self.warm()
        # A server may end a session that nobody uses: the next utterance opens another one.
        if line.error is not None and (line.hearing is not None or not line.open):
            self._failed(line.error)

    def _failed(self, error: VoiceloopError) -> None:
        told = self._pauses.down
        self._pauses.failed(trio.current_time())
        if not told:
            what = f"{error.place}: {error.what}" if error.place else error.what
            effect = "Until that works, speech is posted as clips"
            self._publish("notice", text=f"{what.rstrip('.')}. {effect}; nothing is lost. {error.remedy}".strip())
