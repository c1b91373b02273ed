"""Posts: sends clips of one source to the transcriber, a few at once, and keeps failed clips as files.

Knows no piece and no caption: the captioner decides what is posted when, and what happens with the words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from voiceloop.captions.showing import Showing
from voiceloop.errors import LimitReached, VoiceloopError, contained, first
from voiceloop.events import Publish
from voiceloop.journal import unsent
from voiceloop.journal.no_journal import NO_JOURNAL
from voiceloop.net.limits import Room
from voiceloop.plugins import TurnJournal
from voiceloop.transcribe.screening import Screened
from voiceloop.types import Transcript, Utterance

AT_ONCE = 3
"""How many posts a source may have under way at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionContext:
    """The services and settings that all captioners share."""

    transcriber: Screened
    guesser: Screened
    """The transcriber for guesses, which reports nothing that it screens out."""
    showing: Showing
    publish: Publish
    room: Callable[[], Room]
    """Returns how much is left of the session's limits."""
    waiting: int
    """How many pieces may wait for their final words; further ones are kept as files without being posted."""
    keeps: bool
    """Whether speech that could not be transcribed is kept as a file."""
    overlap_s: float
    """How much audio two pieces share when speech is cut in the middle."""
    guesses: bool = True
    """Whether words are shown while they are spoken."""
    sounds: bool = False
    """Whether sound events are shown, in brackets."""
    page: Callable[[], TurnJournal] = lambda: NO_JOURNAL
    """Makes the journal of a new piece, which keeps its speech until its words are final."""


class Posts:
    """The posts of one source, to the transcribers of `context`."""

    def __init__(self, source: str, context: CaptionContext) -> None:
        self._source, self._context = source, context
        self._limiter = trio.CapacityLimiter(AT_ONCE)
        self._notice_published = False
        self.kept = 0
        """How many clips were kept as files."""

    @property
    def free(self) -> int:
        """How many more posts may start now."""
        return int(self._limiter.available_tokens)

    @property
    def may_guess(self) -> bool:
        """Whether a guess may start now. One post is left free for final words. An engine on this machine does one
        thing at a time: a guess beside other work would only make both slower, and final words wait."""
        return self.free == AT_ONCE if self._context.transcriber.embedded else self.free >= 2

    def note(self, room: Room) -> None:
        """Publish a notice the first time that too little of the limits is left for preemptive posts."""
        if room.ample or self._notice_published:  # once: a limit per minute falls below a quarter again and again
            return
        self._notice_published = True
        reason = "Less than a quarter of what [limits] allows is left"
        effect = "captions appear after each utterance, not while it is spoken"
        self._context.publish("notice", text=f"{reason}: {effect}.")

    async def warm(self) -> None:
        """Open the transcriber's connections in advance, while somebody begins to speak."""
        try:
            await contained(self._context.transcriber.warm)
        except* Exception as group:  # noqa: BLE001 - only some time is lost; the post itself reports the error
            self._context.publish("warm.failed", error=repr(first(group)))

    async def ask(self, clip: Utterance, transcriber: Screened) -> Transcript | Exception:
        """Transcribe `clip`. Returns the transcript, or the error."""
        failures: list[Exception] = []
        try:
            return await contained(partial(self._ask, clip, transcriber))
        except* Exception as group:  # noqa: BLE001 - a bug in an engine loses these words but does not end the captions
            failures.append(first(group))
        return failures[0]

    async def _ask(self, clip: Utterance, transcriber: Screened) -> Transcript:
        async with self._limiter, transcriber.transcription() as transcription:
            await transcription.feed(clip.pcm)
            return await transcription.finish(clip)

    async def failed(self, error: Exception, utterance: Utterance) -> None:
        """Keep an utterance that could not be transcribed, and publish the error."""
        with trio.CancelScope(shield=True):  # keep it even if the captions are ending
            path = await trio.to_thread.run_sync(unsent.keep, utterance) if self._context.keeps else None
        self._publish_failure(error, path)

    async def refuse(self, utterance: Utterance) -> None:
        """Keep `utterance` instead of posting it: too many utterances wait already."""
        error = VoiceloopError("too many utterances wait to be transcribed already", place="conversation.waiting")
        await self.failed(error, utterance)

    def abandon(self, clip: Utterance) -> None:
        """Keep `clip`, as the captions end before it was transcribed. Synchronous: nothing can be awaited any more."""
        if self._context.keeps:
            error = VoiceloopError("captions ended before this speech was transcribed")
            self._publish_failure(error, unsent.keep(clip))

    def _publish_failure(self, error: Exception, path: Path | None) -> None:
        message = str(error) if isinstance(error, VoiceloopError) else f"{type(error).__name__}: {error}"
        if path is not None:
            self.kept += 1
        self._context.publish(
            "caption.failed",
            source=self._source,
            error=message,
            kept=None if path is None else str(path),
            limit=isinstance(error, LimitReached),
        )
