"""Piece: the unit of speech that is captioned, with its audio so far, its guesses and the next clip to post.

A piece is an utterance, or a part of one that was cut because of its length. Such a part begins with the end of the
part before (the overlap). This module posts nothing.

    start      own                            end
      |-overlap-|--------- new audio ----------|
                        |------ next clip -----|
                        rest_from: a few settled words before the first one that may still change

So a clip is a few seconds long, however long the piece is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import trio

from voiceloop.audio.loudness import HOPS_PER_S, levels_dbfs, quietest
from voiceloop.captions.joiner import Joiner, joined
from voiceloop.captions.stabiliser import Stabiliser
from voiceloop.captions.stream import Stream
from voiceloop.captions.words import Spoken
from voiceloop.journal.no_journal import NO_JOURNAL
from voiceloop.plugins import TurnJournal
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Utterance

CONTEXT_S = (1.5, 0.6)
"""Where a clip begins: at the quietest place between these times before the end of the last committed word. So no word
is torn, and the clip begins with some committed words, by which its words are aligned."""
LONG_CONTEXT_S = (2.5, 1.5)
"""The same for an engine on this machine, where a second more costs little: in longer clips it changes its mind less
often."""
_PAUSE_S = 0.16
"""The shortest silence that counts as a pause between words; the closure of a consonant is shorter."""
_PAUSE_DB = 25.0
"""How far a pause is below the loudest 10 ms."""


@dataclass(slots=True, eq=False, kw_only=True)
class Piece:
    """A piece of speech; all positions are sample indices of the source, the audio is int16, mono."""

    context_s: tuple[float, float] = CONTEXT_S
    start: int
    """Where its audio begins, including the overlap with the piece before."""
    own: int
    """Where its new audio begins, after the overlap."""
    pcm: bytearray = field(repr=False)
    before: trio.Event | None = None
    """Set when the piece before is final; None if there is none to wait for."""
    done: trio.Event = field(default_factory=trio.Event)
    """Set when this piece is final."""
    guesses: Stabiliser = field(default_factory=Stabiliser)
    guessing: set[trio.CancelScope] = field(default_factory=set)
    """The cancel scopes of the guesses under way."""
    stream: Stream | None = None
    """Where its speech goes while it is spoken; None if it is posted as clips alone."""
    rest_from: int = 0
    """Where the next clip begins."""
    asked_to: int = 0
    """Where the clip of the last guess ended."""
    withdrawn: bool = False
    """Cancelled by the user: nothing more of it is shown."""
    voiced_end: int | None = None
    """Where its last voiced frame ended; None while somebody speaks."""
    page: TurnJournal = NO_JOURNAL
    """Its journal: keeps its speech until its words are final."""

    def __post_init__(self) -> None:
        self.rest_from = self.start

    @property
    def end(self) -> int:
        return self.start + len(self.pcm) // SAMPLE_BYTES

    @property
    def end_s(self) -> float:
        return self.end / CAPTURE_RATE_HZ

    @property
    def start_s(self) -> float:
        return self.start / CAPTURE_RATE_HZ

    @property
    def words(self) -> Sequence[Spoken]:
        """The words of the best guess."""
        return self.guesses.shown.words

    @property
    def shown_whole(self) -> bool:
        """Whether the best guess covers all of its speech."""
        return self.voiced_end is not None and self.guesses.whole_s * CAPTURE_RATE_HZ >= self.voiced_end

    def stop_guessing(self, reason: str) -> None:
        """Cancel the guesses under way: they are no longer needed."""
        for scope in self.guessing:
            scope.cancel(reason)

    def withdraw(self, reason: str) -> None:
        """The user doesn't want it: give it up, show nothing more of it and forget its speech."""
        self.withdrawn = True
        self.page.over()
        self.give_up(reason)

    def give_up(self, reason: str) -> None:
        """Cancel the guesses and the stream: its words are not wanted."""
        self.stop_guessing(reason)
        if self.stream is not None:
            self.stream.cancel(reason)

    def clip(self, end: int | None = None, *, start: int | None = None) -> Utterance:
        """The audio between two positions, by default all of it."""
        start, end = self.start if start is None else start, self.end if end is None else end
        with memoryview(self.pcm) as view:
            pcm = bytes(view[(start - self.start) * SAMPLE_BYTES : (end - self.start) * SAMPLE_BYTES])
        return Utterance(pcm, start, end)

    @property
    def rest_s(self) -> float:
        """The length of `rest`, in seconds. Asked for every frame: copies nothing."""
        return (self.end - self.rest_from) / CAPTURE_RATE_HZ

    def rest(self) -> Utterance:
        """The clip of all that is not settled yet, up to now."""
        return self.clip(start=self.rest_from)

    def clip_of(self, utterance: Utterance, *, longest_s: float = 0.0) -> Utterance:
        """The clip of what is not settled yet of `utterance`, or of its last `longest_s` if that is more.

        `utterance` is the segmenter's view of this piece, and may have more audio than was handed out so far.
        """
        carry = bytes(self.pcm[: (self.own - self.start) * SAMPLE_BYTES])
        start = max(self.start, min(self.rest_from, utterance.end - int(min(longest_s, 1e6) * CAPTURE_RATE_HZ)))
        pcm = (carry + utterance.pcm)[(start - self.start) * SAMPLE_BYTES :]
        return replace(utterance, pcm=pcm, start=start)

    def take(self, clip: Utterance, words: Sequence[Spoken], *, whole: bool = False) -> None:
        """Take the words of a clip of the rest. `whole`: it ends in a pause. It does, too, if it reaches the end of
        what was said."""
        whole = whole or (self.voiced_end is not None and clip.end >= self.voiced_end)
        self.guesses.feed(words, end_s=clip.end / CAPTURE_RATE_HZ, whole=whole)
        if self.guesses.failed:  # often because of where the clip began
            self.rest_from = max(self.start, self.rest_from - CAPTURE_RATE_HZ)
        else:
            self._move_on()

    def finish(self, clip: Utterance, words: Sequence[Spoken]) -> None:
        """Take the words of the clip with the end of this piece as final."""
        start_s = clip.start / CAPTURE_RATE_HZ if clip.start > self.start else float("-inf")
        self.guesses.finish(words, start_s=start_s, end_s=clip.end / CAPTURE_RATE_HZ)

    def _move_on(self) -> None:
        """Move the start of the next clip on, past words that are committed."""
        committed_s = self.guesses.committed_s
        if committed_s is None:
            return
        low, high = (round((committed_s - back_s) * CAPTURE_RATE_HZ) for back_s in self.context_s)
        low = max(low, self.rest_from)
        if high - low < CAPTURE_RATE_HZ // 4:
            return
        at, _ = quietest(self.clip(min(high, self.end), start=low).pcm, CAPTURE_RATE_HZ, window_s=_PAUSE_S)
        self.rest_from = low + at

    def overlap(self, longest_s: float) -> int:
        """How many of its last samples the next piece should begin with, if this one was cut because of its length: at
        most `longest_s`; 0 when the cut is in a pause, where no word is torn."""
        levels = levels_dbfs(self.clip(start=max(self.own, self.end - 3 * CAPTURE_RATE_HZ)).pcm, CAPTURE_RATE_HZ)
        last = levels[-round(_PAUSE_S / 2 * HOPS_PER_S) :]
        if len(last) and float(last.max()) <= float(levels.max()) - _PAUSE_DB:
            return 0
        return min(int(min(longest_s, 1e6) * CAPTURE_RATE_HZ), self.end - self.own)


def under_way(joiner: Joiner, pieces: Sequence[Piece]) -> tuple[list[Spoken], list[Spoken]]:
    """The words that are not final: those held by the joiner, then those of `pieces`. Returns first the words that will
    not change, then the words that may."""
    words, sure = list(joiner.held), len(joiner.held)
    end_s = joiner.end_s
    for piece in pieces:
        shown = piece.guesses.shown
        all_sure = sure == len(words)
        words = joined(words, shown.words, start_s=piece.start_s, end_s=end_s)
        sure = len(words) - len(shown.tail) if all_sure else min(sure, len(words))
        end_s = piece.end_s
    return words[:sure], words[sure:]
