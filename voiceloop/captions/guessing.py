"""Guesses at the unfinished speech of one source: asks for its words while they are spoken, and for all in a pause.

    SpeechStarted      SpeechPaused
         |------ speech ----|---- hangover ----|
            ^   ^   ^       ^
            guesses         preemptive post, in case the pause is the end

`pacer.py` decides how often, and `posts.py` calls the transcriber. Knows nothing of final words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from voiceloop.captions.pacer import Pacer
from voiceloop.captions.piece import Piece
from voiceloop.captions.posts import AT_ONCE, CaptionContext, Posts
from voiceloop.captions.speakers import renamed
from voiceloop.captions.stream import TELLS_S
from voiceloop.captions.words import spoken
from voiceloop.types import CAPTURE_RATE_HZ, Transcript, Utterance

FINAL_S = 3.0
"""How much speech a server hears again, at least, for the final words of a piece: with more of a sentence it makes
fewer mistakes. An engine on this machine, where that costs nothing, hears all of it; so does a server that tells who
speaks, because it tells people apart within one answer alone."""


@dataclass(slots=True, eq=False)
class PreemptivePost:
    """A clip posted in a pause, in case the pause is the end of the utterance."""

    utterance: Utterance
    transcript: Transcript | None = None
    done: trio.Event = field(default_factory=trio.Event)


class Guessing:
    """The guesses of one source. `show` is called when the words of a piece have changed. Its methods never wait."""

    def __init__(
        self, posts: Posts, context: CaptionContext, pacer: Pacer, nursery: trio.Nursery, show: Callable[[], None]
    ) -> None:
        self._posts, self._context, self._pacer, self._nursery, self._show = posts, context, pacer, nursery, show
        self._preemptive: PreemptivePost | None = None
        """That of the present pause."""
        self._streams_tell = True
        """Whether streams tell words before the end of a piece, as far as is known."""

    @property
    def tells_speakers(self) -> bool:
        """Whether the final words say who says them."""
        return self._context.transcriber.tells_speakers

    @property
    def final_s(self) -> float:
        """How much speech is heard again, at least, for the final words of a piece."""
        return float("inf") if self._context.transcriber.embedded or self.tells_speakers else FINAL_S

    def make_way(self, piece: Piece) -> None:
        """Give the guesses up that the words of the whole piece would have to wait for."""
        if self._context.room().crowded or self._context.transcriber.embedded:
            piece.stop_guessing("final words have priority")

    def guess_if_due(self, piece: Piece) -> None:
        """Post what is not settled yet of a piece, if it is time for that."""
        last_s = piece.end_s - piece.start_s if self.tells_speakers else piece.rest_s
        reserve_s = last_s + self._context.overlap_s
        # A guess that has to wait is outdated when it arrives, and in a pause the preemptive post brings all the words
        # that a guess could.
        if (
            not self._context.guesses
            or self._tells_itself(piece)
            or self._preemptive is not None
            or len(piece.guessing) >= AT_ONCE - 1
            or not self._posts.may_guess
        ):
            return
        if not self._pacer.due(now_s=piece.end_s, clip_s=piece.rest_s, reserve_s=reserve_s, crowded=False):
            return
        room = self._context.room()
        if room.crowded and not self._pacer.due(
            now_s=piece.end_s, clip_s=piece.rest_s, reserve_s=reserve_s, crowded=True
        ):
            return
        self._posts.note(room)
        if room.ample:
            clip = piece.rest()
            self._pacer.guess(now_s=piece.end_s, clip_s=clip.duration_s)
            piece.asked_to = clip.end
            self._nursery.start_soon(self._guess, piece, clip, name="guess at captions")

    def pause(self, piece: Piece, utterance: Utterance) -> None:
        """Post the utterance preemptively, so that its final words are there when the end is certain."""
        if not self._context.guesses or (piece.stream is not None and piece.stream.live):
            return
        if piece.asked_to >= utterance.voiced_end:  # a guess brings all that was said: its last word is not cut off
            piece.guesses.complete(utterance.voiced_end / CAPTURE_RATE_HZ)
            self._show()
            return
        # As a whole, it can have the final words of who speaks.
        clip = piece.clip_of(utterance, longest_s=self.final_s if self.tells_speakers else 0.0)
        again_s = clip.duration_s + self._context.overlap_s
        room = self._context.room()
        if room.crowded or not self._pacer.affords(clip.duration_s, reserve_s=again_s):
            return
        self._posts.note(room)
        if not room.ample:
            return
        self.make_way(piece)
        self._pacer.guess(now_s=piece.end_s, clip_s=clip.duration_s)
        self._preemptive = preemptive = PreemptivePost(utterance)
        self._nursery.start_soon(
            self._transcribe_preemptively, piece, clip, preemptive, name="transcribe captions preemptively"
        )

    def pause_ended(self) -> PreemptivePost | None:
        """Note that the pause is over, whatever ended it. Returns its preemptive post."""
        preemptive, self._preemptive = self._preemptive, None
        return preemptive

    def note_stream(self, piece: Piece) -> None:
        """Note of a piece whose stream has ended whether it told its words while they were spoken."""
        if piece.stream is not None and piece.end - piece.own >= TELLS_S * CAPTURE_RATE_HZ:
            self._streams_tell = piece.stream.told

    def _tells_itself(self, piece: Piece) -> bool:
        """Whether the words of a piece come without guesses."""
        if piece.stream is None or not piece.stream.live:
            return False
        return piece.stream.told or (self._streams_tell and piece.end - piece.own < TELLS_S * CAPTURE_RATE_HZ)

    async def _guess(self, piece: Piece, clip: Utterance) -> None:
        with trio.CancelScope() as scope:
            piece.guessing.add(scope)
            began_s = trio.current_time()
            result = await self._posts.ask(clip, self._context.guesser)
            self._pacer.took(trio.current_time() - began_s)
            if isinstance(result, Transcript):
                piece.take(clip, spoken(result))
                if piece.guesses.failed:
                    self._pacer.again()
                self._show()
        piece.guessing.discard(scope)

    async def _transcribe_preemptively(self, piece: Piece, clip: Utterance, preemptive: PreemptivePost) -> None:
        result = await self._posts.ask(clip, self._context.transcriber)
        if isinstance(result, Transcript):
            preemptive.transcript = result
            piece.take(clip, renamed(spoken(result), {}), whole=True)
            self._show()
        preemptive.done.set()
