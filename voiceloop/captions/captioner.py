"""Turns the speech events of one source into captions: guesses while somebody speaks, then final words in order.

    SpeechStarted      SpeechPaused          SpeechEnded
         |------ speech ----|---- hangover ----|
            ^   ^   ^       ^                  ^
            guesses         preemptive post    final words: those of the preemptive post, else of a new one

A server that hears speech while it is spoken (`stream.py`) tells the words so far by itself: then nothing is posted,
unless the connection is lost.

The captioner knows no device and no terminal. `pacer.py` decides when to guess, `stabiliser.py` what is shown,
`joiner.py` puts the pieces together, and `posts.py` calls the transcriber.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import trio

from voiceloop.captions.joiner import Joiner
from voiceloop.captions.pacer import Pacer
from voiceloop.captions.piece import CONTEXT_S, LONG_CONTEXT_S, Piece, under_way
from voiceloop.captions.posts import AT_ONCE, CaptionContext, Posts
from voiceloop.captions.showing import Live
from voiceloop.captions.speakers import Speakers, renamed
from voiceloop.captions.stream import TELLS_S, Stream
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

FINAL_S = 3.0
"""How much speech a server hears again, at least, for the final words of a piece: with more of a sentence it makes
fewer mistakes. An engine on this machine, where that costs nothing, hears all of it; so does a server that tells who
speaks, because it tells people apart within one answer alone."""


@dataclass(slots=True, eq=False)
class _PreemptivePost:
    """A clip posted in a pause, in case the pause is the end of the utterance."""

    utterance: Utterance
    transcript: Transcript | None = None
    done: trio.Event = field(default_factory=trio.Event)


class Captioner:
    """The `SpeechReceiver` of one source's listener, for captions. Its methods never wait, so that listening never
    waits for a service.

    `captured(index)` returns when a sample was captured, in seconds of the session.
    """

    def __init__(
        self,
        source: str,
        context: CaptionContext,
        pacer: Pacer,
        captured: Callable[[int], float],
        nursery: trio.Nursery,
    ) -> None:
        self._source, self._context, self._pacer = source, context, pacer
        self._captured, self._nursery = captured, nursery
        self._posts = Posts(source, context)
        embedded = context.transcriber.embedded
        self._new_piece = partial(Piece, context_s=LONG_CONTEXT_S if embedded else CONTEXT_S)
        self._joiner = Joiner()
        self._speakers = Speakers()
        self._piece: Piece | None = None
        """The piece that is being spoken."""
        self._preemptive: _PreemptivePost | None = None
        self._ending: list[Piece] = []
        """Pieces that have ended and wait for their final words, in the order of speaking."""
        self._unsettled: list[Piece] = []
        """Pieces whose last words may only be shown with the next one."""
        self._carry = b""
        """The end of the last piece, with which the next one begins; empty unless the last was cut in mid-speech."""
        self._last_done: trio.Event | None = None
        self._tells = True
        """Whether streams tell words before the end of a piece, as far as is known."""

    @property
    def kept(self) -> int:
        """How many clips were kept as files."""
        return self._posts.kept

    @property
    def speaking(self) -> bool:
        """Whether somebody is speaking."""
        return self._piece is not None

    @property
    def working(self) -> int:
        """How many pieces wait for their final words."""
        return sum(not piece.withdrawn for piece in self._ending)

    def withdraw(self, reason: CancelReason) -> None:
        """Discard all speech whose words are not final yet."""
        for piece in self._pieces():
            piece.withdraw(reason)
        self._forget_unsettled()
        self._joiner.release()
        self._show()

    def early_voice(self, early_voice: EarlyVoice) -> None:
        """Do nothing: captions don't depend on early voice."""

    def on(self, event: SpeechEvent) -> None:
        """Handle an event of the segmenter. Never waits."""
        match event:
            case SpeechStarted():
                self._started(event)
            case SpeechAudio(pcm=pcm):
                self._add_audio(pcm)
            case SpeechPaused(utterance=utterance):
                self._pause(utterance)
            case SpeechResumed():
                self._resume()
            case SpeechEnded(utterance=utterance):
                self._ended(utterance)
            case SpeechDropped():
                if self._piece is not None:
                    self._piece.page.over()
                    self._piece.give_up("it was only a noise")
                self._piece = self._preemptive = None
                self._carry = b""
                self._show()

    # Speech events

    def _started(self, event: SpeechStarted) -> None:
        carry, self._carry = self._carry, b""
        start = event.start - len(carry) // SAMPLE_BYTES
        self._piece = piece = self._new_piece(
            start=start,
            own=event.start,
            pcm=bytearray(carry + event.pcm),
            before=self._last_done,
            page=self._context.page(),
        )
        self._pacer.hear(len(event.pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ)
        if not carry:
            self._pacer.begin(event.start / CAPTURE_RATE_HZ)
        self._show()
        self._nursery.start_soon(self._posts.warm, name="warm up for captions")
        self._stream(piece)
        self._guess_if_due(piece)

    def _add_audio(self, pcm: bytes) -> None:
        piece = self._piece
        if piece is None:
            return
        piece.pcm += pcm
        self._pacer.hear(len(pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ)
        self._feed(piece, pcm)
        self._guess_if_due(piece)

    def _guess_if_due(self, piece: Piece) -> None:
        last_s = piece.end_s - piece.start_s if self._tells_speakers else piece.rest_s
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

    def _pause(self, utterance: Utterance) -> None:
        """Post the utterance preemptively, so that its final words are there when the end is certain."""
        piece = self._piece
        if piece is None:
            return
        piece.voiced_end = utterance.voiced_end
        if not piece.withdrawn:
            piece.page.paused(utterance)
        if not self._context.guesses or (piece.stream is not None and piece.stream.live):
            return
        if piece.asked_to >= utterance.voiced_end:  # a guess brings all that was said: its last word is not cut off
            piece.guesses.complete(utterance.voiced_end / CAPTURE_RATE_HZ)
            self._show()
            return
        # As a whole, it can have the final words of who speaks.
        clip = piece.clip_of(utterance, longest_s=self._final_s if self._tells_speakers else 0.0)
        again_s = clip.duration_s + self._context.overlap_s
        room = self._context.room()
        if room.crowded or not self._pacer.affords(clip.duration_s, reserve_s=again_s):
            return
        self._posts.note(room)
        if not room.ample:
            return
        self._make_way(piece)
        self._pacer.guess(now_s=piece.end_s, clip_s=clip.duration_s)
        self._preemptive = preemptive = _PreemptivePost(utterance)
        self._nursery.start_soon(
            self._transcribe_preemptively, piece, clip, preemptive, name="transcribe captions preemptively"
        )

    def _resume(self) -> None:
        self._preemptive = None
        if self._piece is not None:
            self._piece.voiced_end = None

    def _ended(self, utterance: Utterance) -> None:
        piece, self._piece = self._piece, None
        preemptive, self._preemptive = self._preemptive, None
        if piece is None:
            piece = self._new_piece(
                start=utterance.start,
                own=utterance.start,
                pcm=bytearray(utterance.pcm),
                before=self._last_done,
                page=self._context.page(),
            )
        piece.voiced_end = utterance.voiced_end
        if not piece.withdrawn:
            piece.page.heard(utterance)
        self._carry = b""
        if utterance.continues and (samples := piece.overlap(self._context.overlap_s)):
            self._carry = bytes(piece.pcm[-samples * SAMPLE_BYTES :])
        if len(self._ending) >= self._context.waiting:
            piece.give_up("too many pieces wait for their final words")
            self._nursery.start_soon(self._refuse, piece, utterance, name="keep speech without captions")
            self._show()
            return
        if piece.stream is not None:
            piece.stream.finish(piece.clip_of(utterance, longest_s=float("inf")))
        self._ending.append(piece)
        self._last_done = piece.done
        if preemptive is not None and preemptive.utterance.voiced_end != utterance.voiced_end:
            preemptive = None
        overlap_s = len(self._carry) / SAMPLE_BYTES / CAPTURE_RATE_HZ
        self._nursery.start_soon(self._finish, piece, utterance, preemptive, overlap_s, name="finish captions")

    async def _refuse(self, piece: Piece, utterance: Utterance) -> None:
        await self._posts.refuse(utterance)
        piece.page.over()

    # Streams

    def _stream(self, piece: Piece) -> None:
        """Stream the speech of a piece, if the transcriber can now."""
        if not self._context.transcriber.streams:
            return
        heard = partial(self._heard, piece) if self._context.guesses else None
        piece.stream = Stream(self._context.transcriber, heard)
        self._feed(piece, bytes(piece.pcm))
        self._nursery.start_soon(piece.stream.run, name="stream speech for captions")

    def _feed(self, piece: Piece, pcm: bytes) -> None:
        if piece.stream is not None and piece.stream.live:
            piece.stream.feed(pcm)
            self._pacer.post(len(pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ)

    def _heard(self, piece: Piece, text: str) -> None:
        """Show the words so far of a streamed piece."""
        clip = piece.clip()
        piece.guesses.hear(spoken(Transcript(text, clip)), end_s=clip.end / CAPTURE_RATE_HZ)
        self._show()

    def _tells_itself(self, piece: Piece) -> bool:
        """Whether the words of a piece come without guesses."""
        if piece.stream is None or not piece.stream.live:
            return False
        return piece.stream.told or (self._tells and piece.end - piece.own < TELLS_S * CAPTURE_RATE_HZ)

    # Transcription

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

    async def _transcribe_preemptively(self, piece: Piece, clip: Utterance, preemptive: _PreemptivePost) -> None:
        result = await self._posts.ask(clip, self._context.transcriber)
        if isinstance(result, Transcript):
            preemptive.transcript = result
            piece.take(clip, renamed(spoken(result), {}), whole=True)
            self._show()
        preemptive.done.set()

    async def _finish(
        self, piece: Piece, utterance: Utterance, preemptive: _PreemptivePost | None, overlap_s: float
    ) -> None:
        result = await self._final_transcript(piece, utterance, preemptive) if not piece.withdrawn else None
        piece.stop_guessing("its final words are known")
        if piece.before is not None:
            await piece.before.wait()
        if not piece.withdrawn:
            await piece.page.delivering()
        if isinstance(result, Transcript):
            piece.finish(result.utterance, spoken(result, sounds=self._context.sounds))
        # Words that were shown become final even if the post for the final ones failed.
        found = self._speakers.name(piece.words, self._joiner)
        if piece.withdrawn:
            words = []
        elif isinstance(result, Transcript) or found:
            start_s, end_s = piece.start_s, utterance.end / CAPTURE_RATE_HZ
            words = self._joiner.feed(found, start_s=start_s, end_s=end_s, overlap_s=overlap_s)
        else:
            words = self._joiner.release()
        self._ending.remove(piece)
        piece.before = None
        piece.done.set()
        self._show_final(words)
        if isinstance(result, Exception) and not piece.withdrawn:
            await self._posts.failed(result, utterance)
        self._over(piece, goes_on=overlap_s > 0)

    def _over(self, piece: Piece, *, goes_on: bool) -> None:
        """Forget the speech of a piece. Where the speech goes on in the next piece, the last words may only be shown
        with that one: then it is kept as long."""
        self._unsettled.append(piece)
        if not goes_on:
            self._forget_unsettled()

    def _forget_unsettled(self) -> None:
        for piece in self._unsettled:
            piece.page.over()
        self._unsettled.clear()

    async def _final_transcript(
        self, piece: Piece, utterance: Utterance, preemptive: _PreemptivePost | None
    ) -> Transcript | Exception:
        if piece.stream is not None:
            await piece.stream.done.wait()
            self._tells = piece.stream.told if piece.end - piece.own >= TELLS_S * CAPTURE_RATE_HZ else self._tells
            if piece.stream.result is not None:
                return piece.stream.result
        clip = piece.clip_of(utterance, longest_s=self._final_s)
        if preemptive is not None:
            await preemptive.done.wait()
            if preemptive.transcript is not None and preemptive.transcript.utterance.start <= clip.start:
                return preemptive.transcript
        self._make_way(piece)
        self._pacer.post(clip.duration_s)
        return await self._posts.ask(clip, self._context.transcriber)

    @property
    def _tells_speakers(self) -> bool:
        return self._context.transcriber.tells_speakers

    @property
    def _final_s(self) -> float:
        """How much speech is heard again, at least, for the final words of a piece."""
        return float("inf") if self._context.transcriber.embedded or self._tells_speakers else FINAL_S

    def _make_way(self, piece: Piece) -> None:
        """Give the guesses up that the words of the whole piece would have to wait for."""
        if self._context.room().crowded or self._context.transcriber.embedded:
            piece.stop_guessing("final words have priority")

    # Display

    def _show(self) -> None:
        self._context.showing.live(self._live())

    def _live(self) -> Live:
        """The words that are not final, of all pieces."""
        pieces = self._pieces()
        sure, unsure = under_way(self._joiner, pieces)
        since = [*(word.start_s for word in (*sure, *unsure)[:1]), *(piece.start_s for piece in pieces[:1])]
        since_s = self._captured(round(min(since) * CAPTURE_RATE_HZ)) if since else None
        return Live(self._source, text_of(sure), text_of(unsure), since_s)

    def _pieces(self) -> list[Piece]:
        """All pieces that are not final or withdrawn, in the order of speaking."""
        pieces = [*self._ending, *([self._piece] if self._piece is not None else ())]
        return [piece for piece in pieces if not piece.withdrawn]

    def end(self, rest: Sequence[SpeechEvent]) -> None:
        """Finish the captions, possibly in the middle of speech: the words that are shown become final.

        Call it when none of the captioner's tasks is running any more. `rest` are the events that the segmenter held
        back. Speech whose words have not all been shown is kept as a file, from a few words before the first missing
        one, so that no word is torn.
        """
        for event in rest:
            self._add_last(event)
        for piece in self._pieces():
            if not piece.shown_whole:
                self._posts.abandon(piece.rest())
        sure, unsure = under_way(self._joiner, self._pieces())
        self._unsettled += self._pieces()
        self._joiner.release()
        self._ending.clear()
        self._piece = None
        self._show_final([*sure, *unsure])
        self._forget_unsettled()

    def _add_last(self, event: SpeechEvent) -> None:
        """Handle an event as `on` does, but post nothing: nothing can be transcribed any more."""
        piece = self._piece
        match event:
            case SpeechStarted(start=start, pcm=pcm):
                self._ending += [piece] if piece is not None else []
                self._piece = Piece(start=start, own=start, pcm=bytearray(pcm), before=None)
            case SpeechAudio(pcm=pcm) if piece is not None:
                piece.pcm += pcm
            case SpeechEnded(utterance=utterance) if piece is not None:
                piece.voiced_end = utterance.voiced_end
            case SpeechDropped():
                self._piece = None

    def _show_final(self, words: list[Spoken]) -> None:
        if not words:
            self._show()
            return
        live = self._live()
        finals = self._speakers.finals(self._source, [self._in_session(word) for word in words])
        for final, after in pairwise(finals):
            self._context.showing.final(final, replace(live, since_s=after.words[0].start_s))
        self._context.showing.final(finals[-1], live)

    def _in_session(self, word: Spoken) -> Spoken:
        """The word with its times in seconds of the session."""
        shift_s = self._captured(round(word.start_s * CAPTURE_RATE_HZ)) - word.start_s
        return replace(word, start_s=word.start_s + shift_s, end_s=word.end_s + shift_s)
