"""Says how long a pause must last before it ends a turn. Pure: knows no audio, clock or device."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import exp

from voiceloop.capture.endpointing.endings import Ending, basis, code, ending, guess
from voiceloop.config.tables import Segment
from voiceloop.types import CAPTURE_RATE_HZ

FACTORS = {
    Ending.QUESTION: 0.6,
    Ending.STOP: 0.75,
    Ending.UNKNOWN: 1.0,
    Ending.LINKED: 1.3,
    Ending.OPEN: 1.8,
}
"""What the base is multiplied by."""
_UP, _DOWN = exp(0.19), exp(-0.01)
"""How far one pause moves the pace at most. One step up is worth 19 down: so it settles where 95 % fit."""
_MARGIN = 1.1
"""A base ought to outlast a pause by a tenth: the next one like it won't be exactly as long."""
_REMEMBERED = 16
"""Pauses that `resumed` may still be about: those of a turn and of the ones it was merged with."""


def samples(ms: float) -> int:
    """Milliseconds in samples at the capture rate."""
    return round(ms * CAPTURE_RATE_HZ / 1000)


@dataclass(frozen=True, slots=True)
class Pause:
    """The pause to judge, and what is known of the utterance before it. Times are in samples."""

    start: int
    """Just past the last voiced sample; it identifies the pause."""
    hangover: int
    """How long a pause must last when nothing else is known."""
    voice: int
    """How much voice the utterance has had."""


@dataclass(slots=True)
class _Judged:
    """What became known of one pause."""

    factor: float = 1.0
    """By how the transcript ends."""
    used: float = 1.0
    """The factor that was gone by last: a transcript that came when the turn had ended held nothing."""
    awaited: bool = False
    """The transcript is on its way."""
    counted: bool = False
    """It has been learned from."""


class Endpointer:
    """Judges each pause by what was said before it and by the speaker's own pauses, between two bounds.

    Whenever time passes in a pause, the segmenter tells of it (`consider`) and asks how long it must last
    (`hangover`): the answer may change while the pause lasts, and a pause that is over by the new answer ends the turn
    at once. The answer is, between `shortest_ms` and `longest_ms`,

        base x factor                           base = the configured hangover x this speaker's pace

    **The factor** comes from how the transcript so far ends (`heard`, some 300 ms after the clip was posted):

        0.6    a question mark, or words that close a turn ("thanks", "that's all")
        0.75   a full stop: mildly, because Whisper and its like put one after nearly anything; the pace makes up for it
               where that happens
        1      nothing to go by, or a full stop after a word that often runs on ("for.", "is.")
        1.3    such a word without a full stop
        1.8    a comma, a dash, "…", a word that ends no sentence whatever stands after it ("and.", "the", "um"), or a
               number being read out ("five five", "0 1 7")

    Words count in the languages of `ending_words.py`; scripts without spaces are judged by punctuation and numerals,
    other languages by pauses alone (`description` says which). Where neither the config nor the service tells the
    language, it is the one that a transcript of this session was last surely in by its small words, and until then
    punctuation and numerals are gone by.
    While a transcript is on its way (`awaiting`) the answer is the longest: a reply can't come before it in any case,
    so waiting costs nothing, and once it is there the rule above holds again.

    **The pace** starts at 1 and follows the inner pauses (`resumed`), each taken relative to its factor, so that it
    asks what base would have outlasted it by a tenth. It moves to where this one pause would have it, but up by 21 %
    and down by 1 % at most: 19 pauses that fitted outweigh one that did not, so it settles near the 95th percentile.
    That is stochastic approximation of a quantile: one number of state, older pauses forgotten exponentially, few
    samples move it little. A pause that ended the turn is seen only if the conversation, when it finds the turn to have
    gone on, says so; that is what keeps the pace from sinking below what the speaker needs.

    Where the rules come from. That what was said (most of all), how long and by whom tells inner pauses from ends, and
    that a threshold set by it answers up to 24 % sooner for the same cut-ins: Raux and Eskenazi, "Optimizing
    endpointing thresholds using dialogue features" (SIGdial 2008). Steps by how complete the words are: Kaldi's online
    endpointing (which Vosk and sherpa use) waits 0.5, 1 or 2 s by how good an end the decoder sees; Vapi's rules wait
    0.1 s after punctuation, 0.5 s after a number, 1.5 s without punctuation; LiveKit's turn detector moves between
    0.5 and 3 s by a language model's guess. Those are steeper than ours, because our hangover runs beside the requests
    and saves less than a wrong guess costs. The speaker's own pauses: LiveKit's "dynamic" endpointing keeps an
    exponential average (0.9 of history); a quantile is what the bound on wrong cuts is about, so it is used here. The
    figures were chosen by `scripts/bench endpoint`.

    Longer pauses never follow from an ending that is surer, a larger base or longer inner pauses make no answer
    shorter, and nothing but the calls and their sample times goes in: a replay decides as the live run did.
    """

    def __init__(self, *, shortest_ms: float = 0, longest_ms: float = 60_000, adaptive: bool = False) -> None:
        """Without `adaptive` the configured hangover stands, within the bounds."""
        self._shortest = samples(shortest_ms)
        self._longest = samples(longest_ms)
        self._adaptive = adaptive
        self._pace = 1.0
        self._usual = 0  # the configured hangover, as the last pause gave it
        self._pauses: OrderedDict[int, _Judged] = OrderedDict()
        self._now: int | None = None
        self._language: str | None = None

    @classmethod
    def of(cls, segment: Segment, *, half_duplex: bool) -> Endpointer:
        """As configured. In half-duplex a wrong guess can't be heard, so there `hangover_ms` is the shortest."""
        if not segment.adaptive:
            return cls()
        usual_ms = min(segment.hangover_ms, segment.half_duplex_hangover_ms)
        shortest_ms = usual_ms if half_duplex else segment.shortest_hangover_ms
        return cls(shortest_ms=shortest_ms, longest_ms=segment.longest_hangover_ms, adaptive=True)

    def description(self, language: str | None) -> str:
        """For the start-up line: what ends a turn in this language."""
        if not self._adaptive:
            return "a fixed pause"
        name = f" ({code(language)})" if language else ""
        until = "; words once the language is known" if language is None else ""
        return basis(language).value + name + until

    @property
    def pace(self) -> float:
        """What the configured hangover is multiplied by for this speaker."""
        return self._pace

    def consider(self, pause: Pause) -> None:
        """`pause` is the one under way, and is judged by what is known now. Call it whenever time passes in a pause."""
        if not self._adaptive:
            return
        self._now, self._usual = pause.start, pause.hangover
        judged = self._pauses.get(pause.start)
        if judged is not None and not judged.awaited:
            judged.used = judged.factor

    def hangover(self, pause: Pause) -> int:
        """How many samples of quiet after `pause.start` end the turn, by what is known now."""
        if not self._adaptive:
            return self._within(pause.hangover)
        base = self._within(pause.hangover * self._pace)
        judged = self._pauses.get(pause.start)
        if judged is None:
            return base
        return self._longest if judged.awaited else self._within(base * judged.factor)

    def awaiting(self, at: int) -> None:
        """The clip up to the pause that starts at `at` was posted; `heard` will follow, with "" if it failed."""
        if at == self._now:
            self._remember(at).awaited = True

    def heard(self, text: str, *, at: int, language: str | None) -> None:
        """The transcript of all that was said in this turn up to the pause that starts at `at`.

        Ignored when another pause is under way: then it is out of date.
        """
        if at == self._now:
            judged = self._remember(at)
            if language is None:
                language = self._language = guess(text) or self._language
            judged.factor, judged.awaited = FACTORS[ending(text, language)], False

    def resumed(self, start: int, at: int) -> None:
        """The pause from `start` to `at` lay inside what one speaker had to say. Each pause counts once."""
        if not self._adaptive or not self._usual or at <= start:
            return
        judged = self._remember(start)
        if judged.counted:
            return
        judged.counted = True
        wanted = _MARGIN * (at - start) / (self._usual * judged.used)
        pace = min(max(wanted, self._pace * _DOWN), self._pace * _UP)
        self._pace = min(max(pace, self._shortest / self._usual), self._longest / self._usual)

    def _within(self, length: float) -> int:
        return min(max(round(length), self._shortest), self._longest)

    def _remember(self, start: int) -> _Judged:
        judged = self._pauses.get(start)
        if judged is None:
            judged = self._pauses[start] = _Judged()
            if len(self._pauses) > _REMEMBERED:
                self._pauses.popitem(last=False)
        return judged
