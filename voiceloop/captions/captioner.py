"""Turns the speech events of one source into captions: guesses while somebody speaks, then final words in order.

    SpeechStarted      SpeechPaused          SpeechEnded
         |------ speech ----|---- hangover ----|
            ^   ^   ^       ^                  ^
            guesses         preemptive post    final words: those of the preemptive post, else of a new one

A server that hears speech while it is spoken (`stream.py`) tells the words so far by itself: then nothing is posted,
unless the connection is lost.

The captioner knows no device and no terminal. `guessing.py` guesses, `stabiliser.py` what is shown,
`joiner.py` puts the pieces together, and `posts.py` calls the transcriber.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import trio

from voiceloop.captions.display import Display
from voiceloop.captions.guessing import Guessing, PreemptivePost
from voiceloop.captions.joiner import Joiner
from voiceloop.captions.pacer import Pacer
from voiceloop.captions.piece import CONTEXT_S, LONG_CONTEXT_S, Piece, under_way
from voiceloop.captions.posts import CaptionContext, Posts
from voiceloop.captions.speakers import Speakers
from voiceloop.captions.stream import Stream
from voiceloop.captions.words import spoken
from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.speech_events import (
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, CancelReason, Transcript, Utterance


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
        self._context, self._pacer, self._nursery = context, pacer, nursery
        self._posts = Posts(source, context)
        embedded = context.transcriber.embedded
        self._guessing = Guessing(self._posts, context, pacer, nursery, self._show)
        self._new_piece = partial(Piece, context_s=LONG_CONTEXT_S if embedded else CONTEXT_S)
        self._joiner = Joiner()
        self._speakers = Speakers()
        self._display = Display(source, context.showing, captured, self._joiner, self._speakers)
        self._piece: Piece | None = None
        """The piece that is being spoken."""
        self._ending: list[Piece] = []
        """Pieces that have ended and wait for their final words, in the order of speaking."""
        self._unsettled: list[Piece] = []
        """The piece whose last words may only be shown with the next one; at the end all that is left."""
        self._carry = b""
        """The end of the last piece, with which the next one begins; empty unless the last was cut in mid-speech."""
        self._last_done: trio.Event | None = None

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
                self._piece = None
                self._guessing.pause_ended()
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
        self._guessing.guess_if_due(piece)

    def _add_audio(self, pcm: bytes) -> None:
        piece = self._piece
        if piece is None:
            return
        piece.pcm += pcm
        self._pacer.hear(len(pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ)
        self._feed(piece, pcm)
        self._guessing.guess_if_due(piece)

    def _pause(self, utterance: Utterance) -> None:
        piece = self._piece
        if piece is None:
            return
        piece.voiced_end = utterance.voiced_end
        if not piece.withdrawn:
            piece.page.paused(utterance)
        self._guessing.pause(piece, utterance)

    def _resume(self) -> None:
        self._guessing.pause_ended()
        if self._piece is not None:
            self._piece.voiced_end = None

    def _ended(self, utterance: Utterance) -> None:
        piece, self._piece = self._piece, None
        preemptive = self._guessing.pause_ended()
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

    # Transcription

    async def _finish(
        self, piece: Piece, utterance: Utterance, preemptive: PreemptivePost | None, overlap_s: float
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
        self._display.final(words, self._pieces())
        goes_on = overlap_s > 0
        if isinstance(result, Exception) and not piece.withdrawn:
            await self._posts.failed(result, utterance)
            goes_on = False  # all of it is in a file of its own: with the other it would be told twice
        self._over(piece, goes_on=goes_on)

    def _over(self, piece: Piece, *, goes_on: bool) -> None:
        """Forget the speech of a piece, and of the one before: its last words are final now. Where the speech goes on
        in the next piece, the last words may only be shown with that one: then it is kept as long."""
        self._forget_unsettled()
        self._unsettled.append(piece)
        if not goes_on:
            self._forget_unsettled()

    def _forget_unsettled(self) -> None:
        for piece in self._unsettled:
            piece.page.over()
        self._unsettled.clear()

    async def _final_transcript(
        self, piece: Piece, utterance: Utterance, preemptive: PreemptivePost | None
    ) -> Transcript | Exception:
        if piece.stream is not None:
            await piece.stream.done.wait()
            self._guessing.note_stream(piece)
            if piece.stream.result is not None:
                return piece.stream.result
        clip = piece.clip_of(utterance, longest_s=self._guessing.final_s)
        if preemptive is not None:
            await preemptive.done.wait()
            if preemptive.transcript is not None and preemptive.transcript.utterance.start <= clip.start:
                return preemptive.transcript
        self._guessing.make_way(piece)
        self._pacer.post(clip.duration_s)
        return await self._posts.ask(clip, self._context.transcriber)

    # The rest

    def _show(self) -> None:
        self._display.live(self._pieces())

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
        self._display.final([*sure, *unsure], [])
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
