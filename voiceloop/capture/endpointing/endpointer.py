"""An endpointer that decides how long a pause must last before it ends a turn. Pure: times are sample indices."""

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
"""The factor by which the base hangover is multiplied, for each way a transcript can end."""
_UP, _DOWN = exp(0.19), exp(-0.01)
"""The most that one pause can change the speaker factor. One step up equals 19 steps down, so the factor settles where
95 % of the pauses fit."""
_MARGIN = 1.1
"""The base should be longer than a pause by a tenth, because the next similar pause will not be exactly as long."""
_REMEMBERED = 16
"""How many pauses are remembered for `resumed`: enough for those of a turn and of the turns it was merged with."""


@dataclass(frozen=True, slots=True)
class TextAwaited:
    """The clip up to the pause that starts at `at` was posted. `TextKnown` follows, with "" on failure."""

    at: int


@dataclass(frozen=True, slots=True)
class TextKnown:
    """The transcript of a turn's speech up to the pause that starts at `at`."""

    text: str
    at: int
    language: str | None


@dataclass(frozen=True, slots=True)
class PauseMissed:
    """The quiet from `start` had ended a turn, but the speaker went on at `at`: it was a pause."""

    start: int
    at: int


Message = TextAwaited | TextKnown | PauseMissed
"""What an endpointer is told about a pause by those who transcribe what was said before it."""


def samples(ms: float) -> int:
    """Convert milliseconds to samples at the capture rate."""
    return round(ms * CAPTURE_RATE_HZ / 1000)


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause, and what is known of the utterance before it. All values are in samples."""

    start: int
    """Just past the last voiced sample. It identifies the pause."""
    hangover: int
    """The configured hangover: how long a pause must last when nothing else is known."""
    voice: int
    """How much voice the utterance has had."""


@dataclass(slots=True)
class _KnownPause:
    """What is known of one pause."""

    factor: float = 1.0
    """The factor for how the transcript ends."""
    used: float = 1.0
    """The factor that was in effect while the pause lasted. A transcript that came after the end of the turn had no
    effect on it."""
    awaited: bool = False
    """The transcript was requested and has not come yet."""
    counted: bool = False
    """The speaker factor has been updated by this pause."""


class Endpointer:
    """Decides the hangover of each pause, by the transcript before it and by the speaker's own pauses (adaptive
    endpointing).

    Whenever time passes in a pause, the segmenter reports the pause (`consider`) and asks how long it must last
    (`hangover`). The answer may change while the pause lasts; a pause that is already longer than the new answer ends
    the turn at once. Between the bounds `shortest_ms` and `longest_ms`, the answer is

        base x ending factor                    base = the configured hangover x the speaker factor

    **The ending factor** depends on how the transcript so far ends (`heard`, some 300 ms after the clip was posted):

        0.6    a question mark, or words that close a turn ("thanks", "that's all")
        0.75   a full stop. Only a little less than 1, because Whisper and similar recognisers put one after nearly
               anything; where that happens, the speaker factor makes up for it
        1      no evidence, or a full stop after a word after which sentences often go on ("for.", "is.")
        1.3    such a word without a full stop
        1.8    a comma, a dash, "…", a word that ends no sentence whatever follows it ("and.", "the", "um"), or a
               number being read out ("five five", "0 1 7")

    Words count in the languages of `ending_words.py`. Scripts without spaces are judged by punctuation and numerals,
    other languages by pauses alone (`description` says which). If neither the config nor the service names the
    language, it is guessed from the small words of this session's transcripts, and the last certain guess is kept;
    before the first one, punctuation and numerals are used.
    While a transcript is on its way (`awaiting`) the answer is `longest_ms`. Waiting costs nothing then, because a
    reply needs the transcript in any case. Once the transcript is there, the rule above applies again.

    **The speaker factor** starts at 1 and is updated by each inner pause (`resumed`): a pause after which the speaker
    went on. The pause is divided by its ending factor, which gives the base that would have outlasted it by a tenth.
    The speaker factor moves so that the base becomes that value, but by at most 21 % up or 1 % down. So 19 pauses that
    fitted outweigh one that did not, and the speaker factor settles near the 95th percentile. This is stochastic
    approximation of a quantile: the state is one number, older pauses are forgotten exponentially, and a few samples
    change it little. A pause that ended the turn is counted only
    if the conversation finds out that the speaker went on, and reports it; those reports keep the speaker factor from
    sinking below what the speaker needs.

    Sources. What was said (most of all), for how long and by whom tells inner pauses from ends, and a threshold set by
    these answers up to 24 % sooner for the same number of cut-ins: Raux and Eskenazi, "Optimizing endpointing
    thresholds using dialogue features" (SIGdial 2008). Steps by how complete the words are: Kaldi's online endpointing
    (which Vosk and sherpa use) waits 0.5, 1 or 2 s, depending on how good an end the decoder sees; Vapi's rules wait
    0.1 s after punctuation, 0.5 s after a number, 1.5 s without punctuation; LiveKit's turn detector moves between
    0.5 and 3 s by a language model's guess. Those steps are steeper than the ones here, because here the hangover runs
    in parallel with the requests, so that it saves less than a wrong guess costs. The speaker's own pauses: LiveKit's
    "dynamic" endpointing keeps an exponential average (0.9 of history). Here a quantile is used, because a bound on
    wrong cuts is a bound on a quantile. The figures were chosen by `scripts/bench endpoint`.

    Guarantees. An ending that is more certain never gives a longer hangover. A larger base or longer inner pauses never
    give a shorter one. Only the calls and their sample times matter, so a replay decides as the live run did.
    """

    def __init__(self, *, shortest_ms: float = 0, longest_ms: float = 60_000, adaptive: bool = False) -> None:
        """Without `adaptive` the configured hangover is used, within the bounds."""
        self._shortest = samples(shortest_ms)
        self._longest = samples(longest_ms)
        self._adaptive = adaptive
        self._speaker_factor = 1.0
        self._configured = 0  # the configured hangover, as the last pause gave it
        self._pauses: OrderedDict[int, _KnownPause] = OrderedDict()
        self._current: int | None = None  # the start of the pause that was considered last
        self._language: str | None = None

    @classmethod
    def of(cls, segment: Segment, *, half_duplex: bool) -> Endpointer:
        """Make an endpointer as configured.

        In half-duplex the lower bound is the lesser of `hangover_ms` and `half_duplex_hangover_ms`: if an answer comes
        too early, the user is not heard when going on, so the mistake can't be noticed.
        """
        if not segment.adaptive:
            return cls()
        usual_ms = min(segment.hangover_ms, segment.half_duplex_hangover_ms)
        shortest_ms = usual_ms if half_duplex else segment.shortest_hangover_ms
        return cls(shortest_ms=shortest_ms, longest_ms=segment.longest_hangover_ms, adaptive=True)

    def description(self, language: str | None) -> str:
        """Say, for the start-up line, what ends a turn in this language."""
        if not self._adaptive:
            return "a fixed pause"
        name = f" ({code(language)})" if language else ""
        until = "; words once the language is known" if language is None else ""
        return basis(language).value + name + until

    @property
    def speaker_factor(self) -> float:
        """The factor by which the configured hangover is multiplied for this speaker."""
        return self._speaker_factor

    def take(self, message: Message) -> None:
        """Take a message about a pause."""
        match message:
            case TextAwaited():
                self.awaiting(message.at)
            case TextKnown():
                self.heard(message.text, at=message.at, language=message.language)
            case PauseMissed():
                self.resumed(start=message.start, at=message.at)

    def consider(self, pause: Pause) -> None:
        """Note that `pause` is the current one. Call this whenever time passes in a pause, before `hangover`."""
        if not self._adaptive:
            return
        self._current, self._configured = pause.start, pause.hangover
        known = self._pauses.get(pause.start)
        if known is not None and not known.awaited:
            known.used = known.factor

    def hangover(self, pause: Pause) -> int:
        """Return how many samples of quiet after `pause.start` end the turn, by what is known now."""
        if not self._adaptive:
            return self._within(pause.hangover)
        base = self._within(pause.hangover * self._speaker_factor)
        known = self._pauses.get(pause.start)
        if known is None:
            return base
        return self._longest if known.awaited else self._within(base * known.factor)

    def awaiting(self, at: int) -> None:
        """Note that the clip up to the pause that starts at `at` was posted. `heard` follows, with "" on failure."""
        if at == self._current:
            self._remember(at).awaited = True

    def heard(self, text: str, *, at: int, language: str | None) -> None:
        """Take the transcript of this turn's speech up to the pause that starts at `at`.

        It is ignored if that pause is no longer the current one, because then it is out of date.
        """
        if at == self._current:
            known = self._remember(at)
            if language is None:
                language = self._language = guess(text) or self._language
            known.factor, known.awaited = FACTORS[ending(text, language)], False

    def resumed(self, *, start: int, at: int) -> None:
        """Note that the speaker went on at `at` after the pause from `start` (an inner pause). A pause counts once."""
        if not self._adaptive or not self._configured or at <= start:
            return
        known = self._remember(start)
        if known.counted:
            return
        known.counted = True
        wanted = _MARGIN * (at - start) / (self._configured * known.used)
        factor = min(max(wanted, self._speaker_factor * _DOWN), self._speaker_factor * _UP)
        self._speaker_factor = min(max(factor, self._shortest / self._configured), self._longest / self._configured)

    def _within(self, length: float) -> int:
        return min(max(round(length), self._shortest), self._longest)

    def _remember(self, start: int) -> _KnownPause:
        known = self._pauses.get(start)
        if known is None:
            known = self._pauses[start] = _KnownPause()
            if len(self._pauses) > _REMEMBERED:
                self._pauses.popitem(last=False)
        return known
