"""The translator: final captions go on at once, and their second lines follow. Imported only if they are wanted.

    final "Hello."  -> outputs, at once            -> waiting lines (bounded) -> model, one at a time -> outputs
                       with the number of the line                                                      by that number

The words never wait for it, and go first: nothing is posted while the server or [limits] want fewer posts. Each line is
settled once, with a second line or with none, at most `timeout_s` after its words.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import trio

from voiceloop.captions.showing import Final, Live, Output
from voiceloop.captions.translation import Conversation, Translation, longest
from voiceloop.errors import VoiceloopError, first
from voiceloop.events import Publish
from voiceloop.handlers.completing import Patience, completing
from voiceloop.handlers.public import Habits
from voiceloop.net.common_fields import common_fields
from voiceloop.net.limits import Room
from voiceloop.net.rate_limiter import RateLimiter
from voiceloop.net.service import Service
from voiceloop.nursery import private_nursery

_CROWDED_S = 0.5
"""How often it is asked whether the server takes posts again."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that waits for its translation until `deadline`."""

    number: int
    text: str
    deadline: float


class Model:
    """The language model that translates: gives the second line of each line it is asked for. Raises ServiceErrors."""

    def __init__(self, service: Service, language: str, options: Translation) -> None:
        self._service, self._conversation = service, Conversation(options.model, language)
        self._patience = Patience(options.timeout_s, options.timeout_s)
        self._habits = Habits()

    async def __call__(self, line: str) -> str:
        pieces, length = list[str](), 0
        body = self._conversation.body(line) | common_fields(self._service.settings)
        async with completing(self._service, body, self._patience, self._habits) as deltas:
            async for delta in deltas:
                if isinstance(delta, str):
                    pieces.append(delta)
                    length += len(delta)
                if length > longest(line):
                    raise VoiceloopError("the model answers at length", place="handler.translate")
        return self._conversation.take(line, "".join(pieces))


class Translator:
    """`Showing` that passes captions on to the outputs, and gives them second lines."""

    def __init__(
        self,
        outputs: Sequence[Output],
        ask: Callable[[str], Awaitable[str]],
        room: Callable[[], Room],
        options: Translation,
        publish: Publish,
    ) -> None:
        self._outputs, self._ask, self._room = tuple(outputs), ask, room
        self._options, self._publish = options, publish
        self._limiter = RateLimiter(options.per_minute)
        self._waiting: deque[_Line] = deque()
        """At most `options.behind` lines: then the oldest is settled without a translation."""
        self._at_work: _Line | None = None
        self._changed = trio.Event()
        self._number = 0
        self._told: set[str] = set()

    def live(self, live: Live) -> None:
        for output in self._outputs:
            output.live(live)

    def final(self, final: Final, live: Live) -> None:
        self._number += 1
        numbered = replace(final, number=self._number)
        for output in self._outputs:
            output.final(numbered, live)
        if len(self._waiting) == self._options.behind:
            self._tell("behind", "Lines are said faster than they are translated: some have no second line")
            self._settle(self._waiting.popleft())
        deadline = trio.current_time() + self._options.timeout_s
        self._waiting.append(_Line(self._number, final.text, deadline))
        self._change()

    async def run(self) -> None:
        """Translate line by line, until it is cancelled."""
        while True:
            while not self._waiting:
                await self._changed.wait()
            self._at_work = line = self._waiting.popleft()
            translated = ""
            with trio.CancelScope(deadline=line.deadline) as scope:
                translated = await self._translated(line.text)
            if scope.cancelled_caught:
                limit = f"within {self._options.timeout_s:g} s (handler.translation.timeout_s)"
                self._tell("late", f"A line was not translated {limit}, so it has no second line")
            self._at_work = None
            self._settle(line, translated)
            self._change()

    async def idle(self) -> None:
        """Wait until no line waits for its translation."""
        while self._waiting or self._at_work is not None:
            await self._changed.wait()

    def close(self) -> None:
        """Settle all lines that are left: no translation will come any more."""
        rest = [*([self._at_work] if self._at_work is not None else ()), *self._waiting]
        self._waiting.clear()
        self._at_work = None
        for line in rest:
            self._settle(line)

    async def _translated(self, text: str) -> str:
        if not await self._may_post():
            self._tell("limits", "Less than a quarter of what [limits] allows is left, so lines have no second line")
            return ""
        self._limiter.posted(trio.current_time())
        failures: list[Exception] = []
        try:
            return await self._ask(text)
        except* Exception as group:  # noqa: BLE001 - a second line is worth no caption, whatever has failed
            failures.append(first(group))
        reason = str(failures[0]) if isinstance(failures[0], VoiceloopError) else repr(failures[0])
        self._tell(type(failures[0]).__name__, f"A line was not translated: {reason}")
        return ""

    async def _may_post(self) -> bool:
        """Wait until a post is within the rate; whether [limits] has room for it. While the server has asked for fewer
        posts, none of the words' may wait behind this one."""
        await trio.sleep(self._limiter.wait_s(trio.current_time()))
        while (room := self._room()).crowded and room.ample:  # noqa: ASYNC110 - no event says when it ends
            await trio.sleep(_CROWDED_S)
        return room.ample

    def _settle(self, line: _Line, translated: str = "") -> None:
        for output in self._outputs:
            output.translated(line.number, translated)

    def _tell(self, kind: str, text: str) -> None:
        """Publish a notice, the first time of its kind."""
        if kind not in self._told:
            self._told.add(kind)
            self._publish("notice", text=f"{text.rstrip('.')}. This is said once.")

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


@asynccontextmanager
async def open_translator(
    outputs: Sequence[Output], service: Service, language: str, options: Translation, publish: Publish
) -> AsyncIterator[Translator]:
    """A translator at work. When the captions end by themselves, the last lines get theirs, too."""
    translator = Translator(outputs, Model(service, language, options), lambda: service.room, options, publish)
    async with private_nursery() as nursery:
        nursery.start_soon(translator.run, name="translate captions")
        try:
            yield translator
            await translator.idle()
        finally:
            translator.close()
