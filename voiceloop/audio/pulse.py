"""Connections to the sound server (PulseAudio, or PipeWire in its place). The only importer of pulsectl.

Every call has a time limit, because a server that was stopped never answers: pulsectl waits in `poll`, for which a
function with a deadline is put in. A connection belongs to the thread that opened it: libpulse's loop takes only one.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from voiceloop.audio.packages import LIBPULSE, install

_GATHER_S = 0.05
"""How long events are gathered: a device that is plugged in causes a dozen of them."""
_AGAIN_S = 10.0
"""After so long without an event the server is asked all the same: an event that never comes must keep nobody deaf."""


class Unanswered(Exception):
    """The server has not answered; the text says why, as a part of a sentence."""


class NoLibrary(Unanswered):
    """Nothing here can speak to a sound server."""


class Connection:
    """An open connection. `pulse` is pulsectl's object; use it within `limit`."""

    def __init__(self, library: Any, stop: int | None) -> None:
        self._library, self._stop = library, stop
        self._deadline: float | None = None
        self.stopped = False
        """Whether `stop` has become readable."""
        self.expired = False
        """Whether the server has not answered in time. The connection is of no use then."""
        self._changed = False
        self.pulse = library.Pulse("voiceloop", connect=False)
        self.pulse.set_poll_func(self._poll)

    @contextmanager
    def limit(self, seconds: float) -> Iterator[Any]:
        """Wait at most `seconds` for the server while the block runs. Raises Unanswered."""
        self._deadline = time.monotonic() + seconds
        failures = (self._library.PulseError, self._library.PulseDisconnected, self._call_error())
        try:
            yield self.pulse
        except failures as error:
            what = f"it has not answered for {seconds * 1000:.0f} ms" if self.expired else "there is no server"
            raise Unanswered(what) from error
        finally:
            self._deadline = None

    def _call_error(self) -> type[Exception]:
        error: type[Exception] = self._library._pulsectl.LibPulse.CallError
        return error

    def subscribe(self) -> None:
        """Have the server tell of changes: of its defaults, its sources, and what they are recorded by."""
        self.pulse.event_callback_set(self._note)
        self.pulse.event_mask_set("server", "source", "source_output")

    def wait(self) -> None:
        """Wait for a change, or for `stop`, at most 10 s. Returns at once if one came since the last time.

        Raises Unanswered when the server is gone.
        """
        try:
            if not self._changed:
                self.pulse.event_listen(_AGAIN_S)
        except self._library.PulseDisconnected as error:
            if not self.stopped:
                raise Unanswered("it is gone") from error
        if self._stop is not None and select.select([self._stop], (), (), _GATHER_S)[0]:
            self.stopped = True
        self._changed = False

    def _note(self, _: object) -> None:
        self._changed = True
        raise self._library.PulseLoopStop  # pulsectl's way of ending `event_listen`; harmless elsewhere

    def _poll(self, watched: Sequence[Any], timeout_s: float) -> int:
        """Wait as `poll` does, at most until the deadline, and for `stop`. Runs inside libpulse's loop."""
        poll = select.poll()
        for entry in watched:
            entry.revents = 0
            poll.register(entry.fd, entry.events)
        if self._stop is not None:
            poll.register(self._stop, select.POLLIN)
        left_s = timeout_s if timeout_s >= 0 else None
        if self._deadline is not None:
            until_s = max(0.0, self._deadline - time.monotonic())
            left_s = until_s if left_s is None else min(left_s, until_s)
        ready = dict(poll.poll(None if left_s is None else left_s * 1000))
        if self._stop is not None and ready.pop(self._stop, 0):
            self.stopped = True
        self.expired = self._deadline is not None and not ready and time.monotonic() >= self._deadline
        if self.stopped or self.expired:
            self._give_up()
        for entry in watched:
            entry.revents = ready.get(entry.fd, 0)
        return len(ready)

    def _give_up(self) -> None:
        """End every wait of pulsectl: it waits while it is connected, and for events until it is told to stop."""
        self.pulse.connected = False
        self.pulse.event_listen_stop()


@contextmanager
def connected(patience_s: float, *, stop: int | None = None) -> Iterator[Connection]:
    """Connect within `patience_s`. When the file descriptor `stop` becomes readable, every wait ends.

    Starts no server: that is left to PortAudio, which needs one. Raises Unanswered, or NoLibrary without libpulse.
    """
    connection = Connection(_library(), stop)
    try:
        with connection.limit(patience_s) as pulse:
            pulse.connect(autospawn=False)
        yield connection
    finally:
        with suppress(connection._call_error()):
            connection.pulse.close()


_LOADING = threading.Lock()


def _library() -> Any:
    # One thread at a time: when an import fails, a thread that has waited for it is given a part of the module.
    with _LOADING:
        try:
            import pulsectl
        except ImportError as error:
            raise NoLibrary("pulsectl is not installed") from error
        except OSError as error:
            raise NoLibrary(f"libpulse is not installed ({install(LIBPULSE)})") from error
        return pulsectl
