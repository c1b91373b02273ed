"""The final lines of a session by number, and the event that brings a reader up to date. Pure.

    reader has 7     Lines: 5 6 7 8 9, live "and then"     ->  event: 8 9, live "and then"
    reader has 2     (3 and 4 are no longer kept)          ->  event: 5 6 7 8 9, …; the numbers show the gap

A reader is only a number, that of its last line. So a reader who is slow, late or cut off costs no memory.
"""

from __future__ import annotations

import json
from collections import deque

from voiceloop.captions.showing import Final, Live

KEPT = 10_000
"""How many lines are kept for readers who come late: about 3 MB, some hours of speech."""
BATCH = 200
"""How many lines one event carries at most."""
SECOND = 50
"""How many of the latest second lines a reader is sent who has their lines already."""


class Lines:
    """The newest lines and the live words. `session` tells this session's numbers from those of another."""

    def __init__(self, session: str, kept: int = KEPT) -> None:
        self.session = session
        self.count = 0
        """How many lines there were; the number of the newest."""
        self._kept: deque[str] = deque(maxlen=kept)
        self._lives: dict[str, Live] = {}
        self._numbers: dict[int, int] = {}
        """The lines that a second line may still come for, by their `Final.number`."""
        self._seconds: deque[tuple[int, str]] = deque(maxlen=SECOND)
        """The latest second lines, each with the number of its line."""
        self._second_count = 0
        self._made: tuple[int, bytes] | None = None
        """The newest event and what it follows: most readers need the same one."""

    def live(self, live: Live) -> bool:
        """Take the unfinished speech of a source; False if that changes nothing."""
        if self._lives.get(live.source) == live:
            return False
        self._lives[live.source] = live
        self._made = None
        return True

    def final(self, final: Final, live: Live) -> None:
        """Add a line, and take what is still unfinished of its source."""
        self.count += 1
        start_s = round(final.words[0].start_s, 1) if final.words else 0.0
        line = {"id": self.count, "at": start_s, "source": final.source, "text": final.text}
        line |= {"speaker": final.speaker} if final.speaker else {}
        if final.number:
            self._numbers[final.number] = self.count
        self._kept.append(json.dumps(line))
        self._lives[live.source] = live
        self._made = None

    def translated(self, number: int, text: str) -> bool:
        """Take a second line by its `Final.number`; False if there is none."""
        place = self._numbers.pop(number, None)
        if place is None or not text:
            return False
        at = place - 1 - (self.count - len(self._kept))
        if at >= 0:
            self._kept[at] = json.dumps({**json.loads(self._kept[at]), "second": text})
        self._seconds.append((place, text))
        self._second_count += 1
        self._made = None
        return True

    def seconds(self, after: int, seen: int) -> tuple[bytes, int]:
        """The second lines since the first `seen` ones, as far as a reader has their lines, up to `after`: as an event,
        empty if there are none; and how many there are. Those of later lines come with them."""
        first = self._second_count - len(self._seconds)
        new = [row for at, row in enumerate(self._seconds, first) if at >= seen and row[0] <= after]
        rows = [{"id": place, "text": text} for place, text in new]
        return (f"event: second\ndata: {json.dumps(rows)}\n\n".encode() if rows else b""), self._second_count

    def place(self, after: str) -> int:
        """The number of the last line that a reader has, by its own account (`SESSION-NUMBER`); 0 if it has none."""
        session, _, number = after.partition("-")
        known = session == self.session and number.isascii() and number.isdigit() and len(number) < 10
        return min(int(number), self.count) if known else 0

    def event(self, after: int) -> tuple[bytes, int]:
        """What follows line `after`, at most `BATCH` lines, as a server-sent event; and the number of its last line."""
        if self._made is not None and self._made[0] == after:
            return self._made[1], self.count
        first = max(after, self.count - len(self._kept))  # lines up to this one are had or gone
        last = min(self.count, first + BATCH)
        offset = self.count - len(self._kept)
        lines = ",".join(self._kept[number - offset] for number in range(first, last))
        lives = [
            {"source": live.source, "sure": live.sure, "unsure": live.unsure}
            for live in self._lives.values()
            if live.sure or live.unsure
        ]
        head = f'{{"session":"{self.session}","newest":{self.count},"lines":[{lines}],"lives":{json.dumps(lives)}}}'
        event = f"data: {head}\n\n".encode()
        if last == self.count:
            self._made = (after, event)
        return event, last
