"""What a captioner asks of the service: clips, at most a few at once; what it could not hear is kept as files and told.

Knows no piece and no caption: what is posted when, and what becomes of the words, is the captioner's to say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from voiceloop.captions.showing import Showing
from voiceloop.errors import LimitReached, VoiceloopError, first
from voiceloop.events import Publish
from voiceloop.journal import unsent
from voiceloop.net.limits import Room
from voiceloop.transcribe.screening import Screened
from voiceloop.types import Transcript, Utterance

ROOM = 0.25
"""When less than this is left of a minute's posts or of the money there are no more guesses: it is for final words."""
AT_ONCE = 3
"""How many posts a source may have under way."""


@dataclass(frozen=True, slots=True)
class Means:
    """What every captioner works with."""

    transcriber: Screened
    guesser: Screened
    """The same, for guesses."""
    showing: Showing
    publish: Publish
    room: Callable[[], Room]
    """What is left of the session's limits."""
    waiting: int
    """How many pieces may wait for their final words; more are kept as files at once."""
    keeps: bool
    """Whether what could not be transcribed is kept as a file."""
    overlap_s: float
    """With how much of the one before a piece begins that was cut in the middle of speech."""
    guesses: bool = True


class Posts:
    """Those of one source."""

    def __init__(self, source: str, means: Means) -> None:
        self._source, self._means = source, means
        self._limiter = trio.CapacityLimiter(AT_ONCE)
        self._told_economy = False
        self.kept = 0
        """How many clips were kept as files."""

    @property
    def free(self) -> int:
        """How many more may be under way now."""
        return int(self._limiter.available_tokens)

    def spare(self, room: Room) -> bool:
        """Whether there is enough left of the limits to post what is not final."""
        economy = room.share < ROOM
        if economy and not self._told_economy:  # once: of posts a minute a quarter is left again in a moment
            self._told_economy = True
            what = "Less than a quarter is left of what [limits] allows"
            self._means.publish("notice", text=f"{what}: captions come after what is said, not while it is said.")
        return not economy

    async def warm(self) -> None:
        """Get the connections ready while somebody begins to speak."""
        try:
            await self._means.transcriber.warm()
        except* Exception as group:  # noqa: BLE001 - only a head start is lost; the post itself will say what is wrong
            self._means.publish("warm.failed", error=repr(first(group)))

    async def ask(self, clip: Utterance, transcriber: Screened) -> Transcript | Exception:
        """What is said in `clip`, or what went wrong."""
        failures: list[Exception] = []
        try:
            async with self._limiter, transcriber.transcription() as transcription:
                await transcription.feed(clip.pcm)
                return await transcription.finish(clip)
        except* Exception as group:  # noqa: BLE001 - a bug in an engine costs these words, not the captions
            failures.append(first(group))
        return failures[0]

    async def failed(self, error: Exception, utterance: Utterance) -> None:
        """There will be no words for `utterance`: keep it, and say why."""
        with trio.CancelScope(shield=True):  # told to end at this moment, it is kept all the same
            path = await trio.to_thread.run_sync(unsent.keep, utterance) if self._means.keeps else None
        self._tell_failed(error, path)

    async def refuse(self, utterance: Utterance) -> None:
        """`utterance` is not posted, as too much waits already."""
        error = VoiceloopError("too many wait for their words already", place="conversation.waiting")
        await self.failed(error, utterance)

    def abandon(self, clip: Utterance) -> None:
        """The captions are over before the words of `clip` came. Doesn't wait: nothing can be awaited any more."""
        if self._means.keeps:
            self._tell_failed(VoiceloopError("the captions were ended before all its words came"), unsent.keep(clip))

    def _tell_failed(self, error: Exception, path: Path | None) -> None:
        told = str(error) if isinstance(error, VoiceloopError) else f"{type(error).__name__}: {error}"
        self.kept += path is not None
        self._means.publish(
            "caption.failed",
            source=self._source,
            error=told,
            kept=None if path is None else str(path),
            limit=isinstance(error, LimitReached),
        )
