"""A parser of server-sent events. Pure; the bytes may be cut anywhere.

The rules are those of https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end in CR, LF or CRLF,
`data` lines join, a blank line ends an event, a line that begins with a colon is a comment.
"""

from __future__ import annotations

from codecs import getincrementaldecoder

EVENT_LIMIT = 4 * 1024 * 1024
"""Maximum characters in one event (audio arrives as base64). More means that the server never ends the event."""


LINE_SIZE = 64
"""What a `data` line counts beside its characters: lines without a value take memory, too."""


class SseOverflow(ValueError):
    """An event grew past `EVENT_LIMIT`."""


class SseParser:
    """Feed it bytes; `feed` returns the data of every event that they complete."""

    def __init__(self) -> None:
        self._decode = getincrementaldecoder("utf-8-sig")(errors="replace")
        self._line: list[str] = []
        self._held = 0
        """The characters of a line that is not complete yet."""
        self._data: list[str] = []
        self._size = 0
        """The size of the event so far, and of the line that is not complete yet."""
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[str]:
        """The data of the events that end in `chunk`. Raises `SseOverflow`."""
        text = self._decode.decode(chunk)
        if self._after_cr and text:
            # The CR at the end of the last chunk already ended the line; this LF belongs to that CR.
            text = text.removeprefix("\n")
            self._after_cr = False
        if text.endswith("\r"):
            self._after_cr = True
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        events: list[str] = []
        for piece in lines[:-1]:
            self._line.append(piece)
            self._end_line(events)
        self._add(lines[-1])
        return events

    def end(self) -> list[str]:
        """The stream is over: the data of an event whose last blank line was left out, as some servers do.

        (By the specification such an event is dropped.)
        """
        events: list[str] = []
        self._end_line(events)
        if self._data:
            self._end_line(events)
        return events

    def _add(self, piece: str) -> None:
        if piece:
            self._line.append(piece)
            self._held += len(piece)
            self._grow(len(piece))

    def _grow(self, count: int) -> None:
        self._size += count
        if self._size > EVENT_LIMIT:
            raise SseOverflow(f"one event is over {EVENT_LIMIT} characters long")

    def _end_line(self, events: list[str]) -> None:
        line = "".join(self._line)
        self._size -= self._held
        self._held = 0
        self._line.clear()
        if not line:
            if self._data:
                events.append("\n".join(self._data))
            self._data.clear()
            self._size = 0
            return
        field, _, value = line.partition(":")
        if field == "data":
            self._data.append(value.removeprefix(" "))
            self._grow(len(value) + LINE_SIZE)
