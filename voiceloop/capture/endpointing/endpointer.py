"""An endpointer that decides how long a pause must last before it ends a turn. Pure: times are sample indices."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from math import exp

from voiceloop.capture.endpointing.endings import basis, code, ending, guess
from voiceloop.capture.endpointing.judgement import LANGUAGES, NOTHING, Decision, Evidence, factor
from voiceloop.capture.endpointing.messages import (
    Message,
    PauseMissed,
    SoundAwaited,
    SoundKnown,
    SoundLost,
    TextAwaited,
    TextKnown,
)
from voiceloop.config.tables import Segment
from voiceloop.types import CAPTURE_RATE_HZ, samples

_UP, _DOWN = exp(0.19), exp(-0.01)
"""The most that one pause can change the speaker factor. One step up equals 19 steps down, so the factor settles where
95 % of the pauses fit."""
_MARGIN = 1.1
"""The base should be longer than a pause by a tenth, because the next similar pause will not be exactly as long."""
_SOUND_BY = CAPTURE_RATE_HZ // 2
"""The acoustic judge is not waited for longer than this."""
_REMEMBERED = 16
"""How many pauses are remembered for `resumed`: enough for those of a turn and of the turns it was merged with."""


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

    evidence: Evidence = NOTHING
    """What is known of the words and the sound before it."""
    used: float = 1.0
    """The factor that was in effect while the pause lasted. A transcript that came after the end of the turn had no
    effect on it."""
    awaited: bool = False
    """The transcript was requested and has not come yet."""
    sound_awaited: bool = False
    """The acoustic judge was asked and has not answered yet."""
    counted: bool = False
    """The speaker factor has been updated by this pause."""


class Endpointer:
    """Decides the hangover of each pause, by the transcript before it and by the speaker's own pauses (adaptive
    endpointing).

    Whenever time passes in a pause, the segmenter reports the pause (`consider`) and asks how long it must last
    (`hangover`). The answer may change while the pause lasts; a pause that is already longer than the new answer ends
    the turn at once. Between the bounds `shortest_ms` and `longest_ms`, the answer is

        base x factor                           base = the configured hangover x the speaker factor

    **The factor** depends on how the transcript so far ends (`heard`, some 300 ms after the clip was posted):

        0.6    a question mark, or words that close a turn ("thanks", "that's all")
        0.75   a full stop. Only a little less than 1, because Whisper and similar recognisers put one after nearly
               anything; where that happens, the speaker factor makes up for it
        1      no evidence, or a full stop after a word after which sentences often go on ("for.", "is.")
        1.3    such a word without a full stop
        1.8    a comma, a dash, "…", a word that ends no sentence whatever follows it ("and.", "the", "um"), or a
               number being read out ("five five", "0 1 7")

    With the acoustic judge it depends on the sound, too (`judgement.py` has the formula): from 0.2 where both say that
    the turn is over to 11 where both say that it isn't. In a language that the judge doesn't know, its answer is
    ignored. There, and once the judge has failed, the bounds are those without a judge.

    Words count in the languages of `ending_words.py`. Scripts without spaces are judged by punctuation and numerals,
    other languages by pauses alone (`description` says which). If neither the config nor the service names the
    language, it is guessed from the small words of this session's transcripts, and the last certain guess is kept;
    before the first one, punctuation and numerals are used.
    While a transcript is on its way (`awaiting`) the answer is `longest_ms`. Waiting costs nothing then, because a
    reply needs the transcript in any case. Once the transcript is there, the rule above applies again. The acoustic
    judge, which answers sooner, is waited for until the pause has lasted half a second.

    **The speaker factor** starts at 1 and is updated by each inner pause (`resumed`): a pause after which the speaker
    went on. The pause is divided by its factor, which gives the base that would have outlasted it by a tenth.
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

    def __init__(
        self,
        *,
        shortest_ms: float = 0,
        longest_ms: float = 60_000,
        adaptive: bool = False,
        with_sound_ms: tuple[float, float] | None = None,
    ) -> None:
        """Without `adaptive` the configured hangover is used, within the bounds. `with_sound_ms`: the bounds for as
        long as there is an acoustic judge that knows the speaker's language; None if there is no judge."""
        self._bounds = (samples(shortest_ms), samples(longest_ms))
        self._with_sound = with_sound_ms and (samples(with_sound_ms[0]), samples(with_sound_ms[1]))
        self._adaptive = adaptive
        self._speaker_factor = 1.0
        self._configured = 0  # the configured hangover, as the last pause gave it
        self._pauses: OrderedDict[int, _KnownPause] = OrderedDict()
        self._current: int | None = None  # the start of the pause that was considered last
        self._language: str | None = None
        self._sound_counts = True  # the speaker's language is one that the acoustic judge knows

    @classmethod
    def of(cls, segment: Segment, *, half_duplex: bool, acoustic: bool = False) -> Endpointer:
        """Make an endpointer as configured. `acoustic`: there is an acoustic judge, so the bounds may be wider while
        it counts.

        In half-duplex the lower bound is the lesser of `hangover_ms` and `half_duplex_hangover_ms`: if an answer comes
        too early, the user is not heard when going on, so the mistake can't be noticed.
        """
        if not segment.adaptive:
            return cls()
        usual_ms = min(segment.hangover_ms, segment.half_duplex_hangover_ms)
        (shortest_ms, longest_ms), with_sound_ms = (
            (usual_ms if half_duplex else bounds[0], bounds[1])
            for bounds in (segment.bounds_ms(acoustic=False), segment.bounds_ms(acoustic=True))
        )
        return cls(
            shortest_ms=shortest_ms,
            longest_ms=longest_ms,
            adaptive=True,
            with_sound_ms=with_sound_ms if acoustic else None,
        )

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

    @property
    def _shortest(self) -> int:
        return self._bounds_now[0]

    @property
    def _longest(self) -> int:
        return self._bounds_now[1]

    @property
    def _bounds_now(self) -> tuple[int, int]:
        return (self._sound_counts and self._with_sound) or self._bounds

    def take(self, message: Message) -> None:
        """Take a message."""
        match message:
            case TextAwaited():
                self.awaiting(message.at)
            case TextKnown():
                self.heard(message.text, at=message.at, language=message.language, punctuated=message.punctuated)
            case SoundAwaited():
                self._await_sound(message.at)
            case SoundKnown():
                self._take_sound(message)
            case SoundLost():
                self._with_sound = None
            case PauseMissed():
                self.resumed(start=message.start, at=message.at)

    def consider(self, pause: Pause) -> None:
        """Note that `pause` is the current one. Call this whenever time passes in a pause, before `hangover`."""
        if not self._adaptive:
            return
        self._current, self._configured = pause.start, pause.hangover
        known = self._pauses.get(pause.start)
        if known is not None and not known.awaited:
            known.used = factor(self._counting(known.evidence))

    def hangover(self, pause: Pause) -> int:
        """Return how many samples of quiet after `pause.start` end the turn, by what is known now."""
        if not self._adaptive:
            return self._within(pause.hangover)
        base = self._within(pause.hangover * self._speaker_factor)
        known = self._pauses.get(pause.start)
        if known is None:
            return base
        if known.awaited:
            return self._longest
        hangover = self._within(base * factor(self._counting(known.evidence)))
        return max(hangover, min(_SOUND_BY, self._longest)) if known.sound_awaited else hangover

    def decision(self, pause: Pause) -> Decision | None:
        """What is decided about `pause` by what is known now; None if its words and its sound aren't known."""
        known = self._pauses.get(pause.start)
        if known is None or known.evidence == NOTHING:
            return None
        evidence = self._counting(known.evidence)
        return Decision(pause.start, self.hangover(pause), evidence, factor(evidence), self._speaker_factor)

    def awaiting(self, at: int) -> None:
        """Note that the clip up to the pause that starts at `at` was posted. `heard` follows, with "" on failure."""
        if at == self._current:
            self._remember(at).awaited = True

    def heard(self, text: str, *, at: int, language: str | None, punctuated: bool = True) -> None:
        """Take the transcript of this turn's speech up to the pause that starts at `at`.

        It is ignored if that pause is no longer the current one, because then it is out of date.
        """
        if at == self._current:
            known = self._remember(at)
            if language is None:
                language = self._language = guess(text) or self._language
            self._sound_counts = language is None or code(language) in LANGUAGES
            found = ending(text, language, punctuated=punctuated) if text else None
            known.evidence, known.awaited = replace(known.evidence, ending=found), False

    def _await_sound(self, at: int) -> None:
        if at == self._current:
            self._remember(at).sound_awaited = True

    def _take_sound(self, message: SoundKnown) -> None:
        """Take the acoustic judge's answer, unless its pause is over."""
        if message.at == self._current:
            known = self._remember(message.at)
            known.evidence, known.sound_awaited = replace(known.evidence, sound=message.log_odds), False

    def _counting(self, evidence: Evidence) -> Evidence:
        """The evidence that counts in the speaker's language."""
        return evidence if self._sound_counts else replace(evidence, sound=None)

    def resumed(self, *, start: int, at: int) -> None:
        """Note that the speaker went on at `at` after the pause from `start` (an inner pause). A pause counts once."""
        if not self._adaptive or not self._configured or at <= start:
            return
        known = self._remember(start)
        if known.counted:
            return
        known.counted = True
        wanted = _MARGIN * (at - start) / (self._configured * known.used)
        moved = min(max(wanted, self._speaker_factor * _DOWN), self._speaker_factor * _UP)
        self._speaker_factor = min(max(moved, self._shortest / self._configured), self._longest / self._configured)

    def _within(self, length: float) -> int:
        return min(max(round(length), self._shortest), self._longest)

    def _remember(self, start: int) -> _KnownPause:
        known = self._pauses.get(start)
        if known is None:
            known = self._pauses[start] = _KnownPause()
            if len(self._pauses) > _REMEMBERED:
                self._pauses.popitem(last=False)
        return known
