"""From what the segmenter finds to captions: guesses while somebody speaks, final words in the order of speaking.

One captioner listens to one source. It knows no device and no terminal; when to guess is the pacer's to say, what is
shown the stabiliser's, how pieces are put together the joiner's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from voiceloop.captions.joiner import Joiner
from voiceloop.captions.pacer import Pacer
from voiceloop.captions.piece import Piece, under_way
from voiceloop.captions.showing import Final, Live, Showing
from voiceloop.captions.words import Spoken, spoken, text_of
from voiceloop.capture.segmenter import (
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voiceloop.capture.stirring import Stir
from voiceloop.errors import LimitReached, VoiceloopError, first
from voiceloop.events import Publish
from voiceloop.net.limits import Room
from voiceloop.transcribe import kept
from voiceloop.transcribe.screened import Screened
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Transcript, Utterance

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


@dataclass(slots=True, eq=False)
class _Paused:
    """A clip posted in a pause, as if that were the end."""

    utterance: Utterance
    transcript: Transcript | None = None
    done: trio.Event = field(default_factory=trio.Event)


class Captioner:
    """`hearing.Listener` for captions. What it is told is synchronous, so that hearing never waits for a service.

    `captured(index)` is when a sample was captured, in seconds of the session.
    """

    def __init__(
        self, source: str, means: Means, pacer: Pacer, captured: Callable[[int], float], nursery: trio.Nursery
    ) -> None:
        self._source, self._means, self._pacer = source, means, pacer
        self._captured, self._nursery = captured, nursery
        self._posts = trio.CapacityLimiter(AT_ONCE)
        self._joiner = Joiner()
        self._piece: Piece | None = None
        self._paused: _Paused | None = None
        self._ending: list[Piece] = []
        self._carry = b""
        self._last: trio.Event | None = None
        self._told_economy = False
        self.kept = 0
        """How many pieces were kept as files."""

    def stirred(self, stir: Stir) -> None:
        """First signs of voice change nothing."""

    def on(self, event: SpeechEvent) -> None:
        """Take what the segmenter found. Never waits."""
        match event:
            case SpeechStarted():
                self._started(event)
            case SpeechAudio(pcm=pcm):
                self._audio(pcm)
            case SpeechPaused(utterance=utterance):
                self._pause(utterance)
            case SpeechResumed():
                self._paused = None
            case SpeechEnded(utterance=utterance):
                self._ended(utterance)
            case SpeechDropped():
                self._piece = self._paused = None
                self._carry = b""
                self._show()

    # What is heard

    def _started(self, event: SpeechStarted) -> None:
        carry, self._carry = self._carry, b""
        start = event.start - len(carry) // SAMPLE_BYTES
        self._piece = piece = Piece(start, event.start, bytearray(carry + event.pcm), self._last)
        self._pacer.hear(len(event.pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ)
        if not carry:
            self._pacer.begin(event.start / CAPTURE_RATE_HZ)
        self._show()
        self._nursery.start_soon(self._warm)
        self._guess_if_due(piece)

    def _audio(self, pcm: bytes) -> None:
        piece = self._piece
        if piece is None:
            return
        piece.pcm += pcm
        self._pacer.hear(len(pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ)
        self._guess_if_due(piece)

    def _guess_if_due(self, piece: Piece) -> None:
        clip = piece.guess_clip()
        reserve_s = piece.end_s - piece.start_s + self._means.overlap_s
        # One place is left for final words; a guess that has to wait is worth nothing when it comes.
        if not self._means.guesses or len(piece.guessing) >= AT_ONCE - 1 or self._posts.available_tokens < 2:
            return
        if not self._pacer.due(piece.end_s, clip.duration_s, reserve_s=reserve_s, crowded=False):
            return
        room = self._means.room()
        if room.crowded and not self._pacer.due(piece.end_s, clip.duration_s, reserve_s=reserve_s, crowded=True):
            return
        if self._spare(room):
            self._pacer.guess(piece.end_s, clip.duration_s)
            self._nursery.start_soon(self._guess, piece, clip)

    def _spare(self, room: Room) -> bool:
        economy = room.share < ROOM
        if economy and not self._told_economy:  # once: of posts a minute a quarter is left again in a moment
            self._told_economy = True
            what = "Less than a quarter is left of what [limits] allows"
            self._means.publish("notice", text=f"{what}: captions come after what is said, not while it is said.")
        return not economy

    def _pause(self, utterance: Utterance) -> None:
        """As if it were the end: then the final words are there when it is certain to be."""
        piece = self._piece
        if piece is None or not self._means.guesses:
            return
        clip = _with_carry(piece, utterance)
        again_s = clip.duration_s + self._means.overlap_s
        room = self._means.room()
        if room.crowded or not self._pacer.affords(clip.duration_s, reserve_s=again_s) or not self._spare(room):
            return
        self._pacer.post(clip.duration_s)
        self._paused = paused = _Paused(utterance)
        self._nursery.start_soon(self._try_final, piece, clip, paused)

    def _ended(self, utterance: Utterance) -> None:
        piece, self._piece = self._piece, None
        paused, self._paused = self._paused, None
        if piece is None:
            piece = Piece(utterance.start, utterance.start, bytearray(utterance.pcm), self._last)
        self._carry = b""
        if utterance.continues and (samples := piece.overlap(self._means.overlap_s)):
            self._carry = bytes(piece.pcm[-samples * SAMPLE_BYTES :])
        if len(self._ending) >= self._means.waiting:
            piece.stop_guessing("its words are not waited for")
            self._nursery.start_soon(self._keep_refused, utterance)
            self._show()
            return
        self._ending.append(piece)
        self._last = piece.done
        if paused is not None and paused.utterance.voiced_end != utterance.voiced_end:
            paused = None
        overlap_s = len(self._carry) / SAMPLE_BYTES / CAPTURE_RATE_HZ
        self._nursery.start_soon(self._finish, piece, utterance, paused, overlap_s)

    # What is asked

    async def _warm(self) -> None:
        try:
            await self._means.transcriber.warm()
        except* Exception as group:  # noqa: BLE001 - only a head start is lost; the post itself will say what is wrong
            self._means.publish("warm.failed", error=repr(first(group)))

    async def _guess(self, piece: Piece, clip: Utterance) -> None:
        with trio.CancelScope() as scope:
            piece.guessing.add(scope)
            heard = await self._ask(clip, self._means.guesser)
            if isinstance(heard, Transcript):
                piece.guesses.feed(spoken(heard), end_s=clip.end / CAPTURE_RATE_HZ)
                piece.trim()
                self._show()
        piece.guessing.discard(scope)

    async def _try_final(self, piece: Piece, clip: Utterance, paused: _Paused) -> None:
        heard = await self._ask(clip, self._means.transcriber)
        if isinstance(heard, Transcript):
            paused.transcript = heard
            piece.guesses.feed(spoken(heard), end_s=clip.end / CAPTURE_RATE_HZ, whole=True)
            piece.trim()
            self._show()
        paused.done.set()

    async def _finish(self, piece: Piece, utterance: Utterance, paused: _Paused | None, overlap_s: float) -> None:
        heard: Transcript | Exception | None = None
        if paused is not None:
            await paused.done.wait()
            heard = paused.transcript
        if heard is None:
            clip = _with_carry(piece, utterance)
            if self._means.room().crowded:
                piece.stop_guessing("final words go first")
            self._pacer.post(clip.duration_s)
            heard = await self._ask(clip, self._means.transcriber)
        piece.stop_guessing("final")
        if piece.before is not None:
            await piece.before.wait()
        if isinstance(heard, Transcript):
            start_s, end_s = piece.start_s, utterance.end / CAPTURE_RATE_HZ
            words = self._joiner.feed(spoken(heard), start_s=start_s, end_s=end_s, overlap_s=overlap_s)
        else:
            words = self._joiner.release()
        self._ending.remove(piece)
        piece.before = None
        piece.done.set()
        self._give(words)
        if not isinstance(heard, Transcript):
            await self._failed(heard, utterance)

    async def _ask(self, clip: Utterance, transcriber: Screened) -> Transcript | Exception:
        """What is said in `clip`, or what went wrong."""
        failures: list[Exception] = []
        try:
            async with self._posts, transcriber.transcription() as transcription:
                await transcription.feed(clip.pcm)
                return await transcription.finish(clip)
        except* Exception as group:  # noqa: BLE001 - a bug in an engine costs these words, not the captions
            failures.append(first(group))
        return failures[0]

    async def _failed(self, error: Exception, utterance: Utterance) -> None:
        path = await trio.to_thread.run_sync(kept.keep, utterance) if self._means.keeps else None
        self._tell_failed(error, path)

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

    async def _keep_refused(self, utterance: Utterance) -> None:
        await self._failed(
            VoiceloopError("too many wait for their words already", place="conversation.waiting"), utterance
        )

    # What is shown

    def _show(self) -> None:
        self._means.showing.live(self._live())

    def _live(self) -> Live:
        """What is being said, of all pieces that are not final."""
        pieces = self._pieces()
        sure, unsure = under_way(self._joiner, pieces)
        since = [*(word.start_s for word in (*sure, *unsure)[:1]), *(piece.start_s for piece in pieces[:1])]
        since_s = self._captured(round(min(since) * CAPTURE_RATE_HZ)) if since else None
        return Live(self._source, text_of(sure), text_of(unsure), since_s)

    def _pieces(self) -> list[Piece]:
        return [*self._ending, *([self._piece] if self._piece is not None else ())]

    def end(self) -> None:
        """The captions are over, and maybe in the middle of speech: what is shown is final as it is. No task of its own
        may still be under way. What was said and is not shown, as its words had not come, is kept."""
        ended = VoiceloopError("the captions were ended before its words came")
        for piece in self._ending if self._means.keeps else ():
            if not piece.words:
                self._tell_failed(ended, kept.keep(piece.clip()))  # not in a thread: nothing can be awaited any more
        sure, unsure = under_way(self._joiner, self._pieces())
        self._joiner.release()
        self._ending.clear()
        self._piece = None
        self._give([*sure, *unsure])

    def _give(self, words: list[Spoken]) -> None:
        if words:
            self._means.showing.final(Final(self._source, tuple(map(self._in_session, words))), self._live())
        else:
            self._show()

    def _in_session(self, word: Spoken) -> Spoken:
        shift_s = self._captured(round(word.start_s * CAPTURE_RATE_HZ)) - word.start_s
        return replace(word, start_s=word.start_s + shift_s, end_s=word.end_s + shift_s)


def _with_carry(piece: Piece, utterance: Utterance) -> Utterance:
    """The clip to post for `utterance`: with the end of the piece before, where it begins with that."""
    carry = bytes(piece.pcm[: (piece.own - piece.start) * SAMPLE_BYTES])
    return replace(utterance, pcm=carry + utterance.pcm, start=piece.start)
