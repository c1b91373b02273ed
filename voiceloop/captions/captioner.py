"""From what the segmenter finds to captions: guesses while somebody speaks, final words in the order of speaking.

One captioner listens to one source. It knows no device and no terminal; when to guess is the pacer's to say, what is
shown the stabiliser's, how pieces are put together the joiner's; `posts.py` asks the service.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import trio

from voiceloop.captions.joiner import Joiner
from voiceloop.captions.pacer import Pacer
from voiceloop.captions.piece import Piece, under_way
from voiceloop.captions.posts import AT_ONCE, Means, Posts
from voiceloop.captions.showing import Final, Live
from voiceloop.captions.words import Spoken, spoken, text_of
from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.segmenter import (
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, CancelReason, Transcript, Utterance


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
        self._posts = Posts(source, means)
        self._joiner = Joiner()
        self._piece: Piece | None = None
        self._paused: _Paused | None = None
        self._ending: list[Piece] = []
        self._carry = b""
        self._last: trio.Event | None = None

    @property
    def kept(self) -> int:
        """How many clips were kept as files."""
        return self._posts.kept

    @property
    def hearing(self) -> bool:
        """Whether something is being said."""
        return self._piece is not None

    @property
    def working(self) -> int:
        """How many pieces wait for their final words."""
        return sum(not piece.withdrawn for piece in self._ending)

    def withdraw(self, reason: CancelReason) -> None:
        """Throw away what was said and is not final yet."""
        for piece in self._pieces():
            piece.withdrawn = True
            piece.stop_guessing(reason)
        self._joiner.release()
        self._show()

    def early_voice(self, early_voice: EarlyVoice) -> None:
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
                self._resume()
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
        self._nursery.start_soon(self._posts.warm)
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
        # One place is left for final words; a guess that has to wait is worth nothing when it comes, and in a pause for
        # which those are asked already there is nothing to guess.
        if (
            not self._means.guesses
            or self._paused is not None
            or len(piece.guessing) >= AT_ONCE - 1
            or self._posts.free < 2
        ):
            return
        if not self._pacer.due(piece.end_s, clip.duration_s, reserve_s=reserve_s, crowded=False):
            return
        room = self._means.room()
        if room.crowded and not self._pacer.due(piece.end_s, clip.duration_s, reserve_s=reserve_s, crowded=True):
            return
        if self._posts.spare(room):
            self._pacer.guess(piece.end_s, clip.duration_s)
            self._nursery.start_soon(self._guess, piece, clip)

    def _pause(self, utterance: Utterance) -> None:
        """As if it were the end: then the final words are there when it is certain to be."""
        piece = self._piece
        if piece is None:
            return
        piece.voiced_end = utterance.voiced_end
        if not self._means.guesses:
            return
        clip = _with_carry(piece, utterance)
        again_s = clip.duration_s + self._means.overlap_s
        room = self._means.room()
        if room.crowded or not self._pacer.affords(clip.duration_s, reserve_s=again_s) or not self._posts.spare(room):
            return
        self._pacer.post(clip.duration_s)
        self._paused = paused = _Paused(utterance)
        self._nursery.start_soon(self._try_final, piece, clip, paused)

    def _resume(self) -> None:
        self._paused = None
        if self._piece is not None:
            self._piece.voiced_end = None

    def _ended(self, utterance: Utterance) -> None:
        piece, self._piece = self._piece, None
        paused, self._paused = self._paused, None
        if piece is None:
            piece = Piece(utterance.start, utterance.start, bytearray(utterance.pcm), self._last)
        piece.voiced_end = utterance.voiced_end
        self._carry = b""
        if utterance.continues and (samples := piece.overlap(self._means.overlap_s)):
            self._carry = bytes(piece.pcm[-samples * SAMPLE_BYTES :])
        if len(self._ending) >= self._means.waiting:
            piece.stop_guessing("its words are not waited for")
            self._nursery.start_soon(self._posts.refuse, utterance)
            self._show()
            return
        self._ending.append(piece)
        self._last = piece.done
        if paused is not None and paused.utterance.voiced_end != utterance.voiced_end:
            paused = None
        overlap_s = len(self._carry) / SAMPLE_BYTES / CAPTURE_RATE_HZ
        self._nursery.start_soon(self._finish, piece, utterance, paused, overlap_s)

    # What is asked

    async def _guess(self, piece: Piece, clip: Utterance) -> None:
        with trio.CancelScope() as scope:
            piece.guessing.add(scope)
            heard = await self._posts.ask(clip, self._means.guesser)
            if isinstance(heard, Transcript):
                piece.guesses.feed(spoken(heard), end_s=clip.end / CAPTURE_RATE_HZ)
                piece.trim()
                self._show()
        piece.guessing.discard(scope)

    async def _try_final(self, piece: Piece, clip: Utterance, paused: _Paused) -> None:
        heard = await self._posts.ask(clip, self._means.transcriber)
        if isinstance(heard, Transcript):
            paused.transcript = heard
            piece.guesses.feed(spoken(heard), end_s=clip.end / CAPTURE_RATE_HZ, whole=True)
            piece.trim()
            self._show()
        paused.done.set()

    async def _finish(self, piece: Piece, utterance: Utterance, paused: _Paused | None, overlap_s: float) -> None:
        heard = await self._heard(piece, utterance, paused) if not piece.withdrawn else None
        piece.stop_guessing("final")
        if piece.before is not None:
            await piece.before.wait()
        # What was shown stays, whatever became of the post that was to confirm it.
        found = spoken(heard) if isinstance(heard, Transcript) else piece.words
        if piece.withdrawn:
            words = []
        elif isinstance(heard, Transcript) or found:
            start_s, end_s = piece.start_s, utterance.end / CAPTURE_RATE_HZ
            words = self._joiner.feed(found, start_s=start_s, end_s=end_s, overlap_s=overlap_s)
        else:
            words = self._joiner.release()
        self._ending.remove(piece)
        piece.before = None
        piece.done.set()
        self._give(words)
        if isinstance(heard, Exception) and not piece.withdrawn:
            await self._posts.failed(heard, utterance)

    async def _heard(self, piece: Piece, utterance: Utterance, paused: _Paused | None) -> Transcript | Exception:
        if paused is not None:
            await paused.done.wait()
            if paused.transcript is not None:
                return paused.transcript
        clip = _with_carry(piece, utterance)
        if self._means.room().crowded:
            piece.stop_guessing("final words go first")
        self._pacer.post(clip.duration_s)
        return await self._posts.ask(clip, self._means.transcriber)

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
        pieces = [*self._ending, *([self._piece] if self._piece is not None else ())]
        return [piece for piece in pieces if not piece.withdrawn]

    def end(self, rest: Sequence[SpeechEvent]) -> None:
        """The captions are over, and maybe in the middle of speech: what is shown is final as it is. No task of its own
        may still be under way; `rest` is what the segmenter held back. What was said and is not shown, as its words had
        not come, is kept, with a few words before it: none must be torn."""
        for event in rest:
            self._take_last(event)
        for piece in self._pieces():
            if not piece.shown_whole:
                self._posts.abandon(piece.guess_clip())
        sure, unsure = under_way(self._joiner, self._pieces())
        self._joiner.release()
        self._ending.clear()
        self._piece = None
        self._give([*sure, *unsure])

    def _take_last(self, event: SpeechEvent) -> None:
        """As `on`, when nothing can be asked any more."""
        piece = self._piece
        match event:
            case SpeechAudio(pcm=pcm) if piece is not None:
                piece.pcm += pcm
            case SpeechEnded(utterance=utterance) if piece is not None:
                piece.voiced_end = utterance.voiced_end
            case SpeechDropped():
                self._piece = None

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
