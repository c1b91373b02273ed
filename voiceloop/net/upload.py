"""A request's body that is sent while it is made: in chunks, each of which leaves as it comes.

    made       put      put      put      end
    sent       chunk    chunk    chunk    the last chunk; from here on the answer is awaited

Nothing of the answer is read before the end, so that a server that refuses is heard only then. A body that is given up
is not ended: its request is cancelled, and the server gets the end of the connection in place of the end of the body.

Knows no request, and is no generator, which a cancelled send would leave unfinished.
"""

from __future__ import annotations

from collections import deque

import trio

LONGEST_S = 300.0
"""How long a body may be sent: as long as the longest utterance (`segment.max_utterance_s`)."""
_CHUNK = 12_288
"""Bytes of a chunk, at most: so few that one of them leaves within 3 s on any line that is of use."""


class Upload:
    """One body. It can be sent once."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        """The content type."""
        self.begun = self.ended = False
        """`begun`: the connection is there, and takes the body. `ended`: nothing more is put."""
        self.complete = False
        """The connection has taken all of it."""
        # Bounded by the utterance that is sent.
        self._chunks: deque[bytes] = deque()
        self._more = trio.Event()
        self._handed_at: float | None = None
        self._scope, self._longest_s = trio.CancelScope(), 0.0
        """When the connection got the chunk that it has not taken yet."""

    def put(self, data: bytes) -> None:
        """Add bytes."""
        assert not self.ended
        self._chunks.extend(data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK))
        self._more.set()

    def end(self) -> None:
        """All bytes were put."""
        self.ended = True
        self._more.set()
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + self._longest_s)

    def limit(self, scope: trio.CancelScope, longest_s: float) -> None:
        """Have the deadline of the scope in which this is sent follow it: `longest_s` count from the body's end."""
        self._scope, self._longest_s = scope, longest_s
        if not self.ended:
            scope.deadline += LONGEST_S

    def stalled_s(self, now: float) -> float:
        """How long the connection has taken nothing although there was something to take; by Trio's clock."""
        return 0.0 if self._handed_at is None else now - self._handed_at

    def __aiter__(self) -> Upload:
        return self

    async def __anext__(self) -> bytes:
        self.begun, self._handed_at = True, None
        await trio.lowlevel.checkpoint()
        while not self._chunks:
            if self.ended:
                self.complete = True
                raise StopAsyncIteration
            self._more = trio.Event()
            await self._more.wait()
        self._handed_at = trio.current_time()
        return self._chunks.popleft()
