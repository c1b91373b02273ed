"""Compares endpointing settings: how often a turn ends in an inner pause, and how long the wait is at its real end.

Recorded prompts go through the real VAD, segmenter and endpointer, as fast as the machine can; no service is asked. In
a pause the endpointer gets the words spoken so far, after the time that a transcription takes. With `punctuated as
written` they have the prompt's own punctuation; with `a full stop after anything` they end in a full stop, the worst
that Whisper does. After an end in an inner pause the next words belong to the same turn, and the endpointer is told
that the speaker went on, as the conversation does. Such an end counts as `cut`. It counts as `heard` too when the reply
would have sounded before the next words; preemptive generation asks for the reply in the pause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median, quantiles

from bench.endpoint.material import Prompt, Session, hesitating, prompts, session
from voiceloop.capture.endpointing.endpointer import Endpointer
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import SpeechEnded, SpeechEvent, SpeechPaused, SpeechStarted
from voiceloop.capture.vad.hybrid import HybridOptions, HybridVad
from voiceloop.config.tables import Segment
from voiceloop.plugins import Verdict
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, SAMPLE_BYTES, Frame, samples

Writer = Callable[[str], str]
_SLACK = samples(100)
"""The largest difference between the aligner and the VAD about where a word ends."""


def full_stops(text: str) -> str:
    """A transcript of a recogniser that ends everything with a full stop."""
    return text if text.endswith("?") else text.rstrip(".,;:!") + "."


def as_written(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the endpointer. Without a `writer` it gets empty transcripts."""

    name: str
    segment: Segment
    writer: Writer | None = None
    half_duplex: bool = False


SETTINGS = (
    Setting("a fixed 600 ms (`segment.adaptive = false`)", Segment(adaptive=False)),
    Setting("by the speaker's pauses alone", Segment()),
    Setting("by words too, a full stop after anything", Segment(), full_stops),
    Setting("by words too, punctuated as written", Segment(), as_written),
    Setting("half-duplex, a fixed 900 ms", Segment(adaptive=False), half_duplex=True),
    Setting("half-duplex, by words, a full stop after anything", Segment(), full_stops, half_duplex=True),
)


@dataclass(slots=True)
class Score:
    """Counts over all prompts. `waits_ms`: for each prompt, from the last voice to the end of the turn."""

    prompts: int = 0
    cut: int = 0
    heard: int = 0
    waits_ms: list[float] = field(default_factory=list)

    def cells(self) -> str:
        cut, heard = (f"{100 * count / self.prompts:.0f}" for count in (self.cut, self.heard))
        return f"{cut} / {heard} % | {median(self.waits_ms):.0f} / {quantiles(self.waits_ms, n=10)[-1]:.0f} ms"


@dataclass(slots=True)
class Listener:
    """Runs a session through the segmenter and the endpointer, and counts."""

    setting: Setting
    session: Session
    transcribe_ms: float
    reply_ms: float
    score: Score = field(default_factory=Score)
    _endpointer: Endpointer = field(init=False)
    _ended: int | None = None
    """Where the voice of the last turn ended, in samples."""
    _reply_at: int = 0
    """When the reply to the last turn would be heard, in samples."""
    _due: tuple[int, int] | None = None
    """When the next transcript comes, and the start of its pause, both in samples."""
    _cut: bool = False
    _heard: bool = False
    _now: int = 0

    def __post_init__(self) -> None:
        self._endpointer = Endpointer.of(self.setting.segment, half_duplex=self.setting.half_duplex)

    def listen(self, frames: Sequence[tuple[Frame, Sequence[Verdict]]]) -> Score:
        segment = self.setting.segment
        hangover_ms = segment.half_duplex_hangover_ms if self.setting.half_duplex else segment.hangover_ms
        segmenter = Segmenter(segment, hangover_ms=hangover_ms, endpointer=self._endpointer)
        for frame, verdicts in frames:
            self._now = frame.end
            if self._due is not None and self._due[0] <= frame.index:
                self._take_transcript(self._due[1])
            for event in segmenter.feed(frame, verdicts):
                self._on(event)
        return self.score

    def _on(self, event: SpeechEvent) -> None:
        if isinstance(event, SpeechStarted):
            begin, prompt = self._prompt(event.onset)
            if self._ended is not None and self._ended > begin + prompt.words[0].start:
                self._endpointer.resumed(
                    start=self._ended, at=event.onset
                )  # as the conversation does when it merges a turn
                self._heard |= event.onset > self._reply_at
        elif isinstance(event, SpeechPaused):
            pause = event.since
            self._due = (event.at + samples(self.transcribe_ms), pause)
            self._endpointer.awaiting(pause)
        elif isinstance(event, SpeechEnded):
            self._end(event.utterance.voiced_end)

    def _take_transcript(self, pause: int) -> None:
        self._due = None
        begin, prompt = self._prompt(pause)
        said = " ".join(word.text for word in prompt.words if begin + word.end <= pause + _SLACK)
        text = self.setting.writer(said) if self.setting.writer and said else ""
        self._endpointer.heard(text, at=pause, language="en")

    def _end(self, voiced_end: int) -> None:
        self._ended = voiced_end
        asked_at = voiced_end + samples(self.setting.segment.pause_ms)
        self._reply_at = max(self._now, asked_at + samples(self.transcribe_ms + self.reply_ms))
        begin, prompt = self._prompt(voiced_end)
        last = prompt.words[-1]
        if voiced_end < begin + (last.start + last.end) // 2:
            self._cut = True
            return
        self.score.prompts += 1
        self.score.cut += self._cut
        self.score.heard += self._heard
        self.score.waits_ms.append((self._now - voiced_end) * 1000 / CAPTURE_RATE_HZ)
        self._cut = self._heard = False

    def _prompt(self, at: int) -> tuple[int, Prompt]:
        """The prompt that is spoken at a sample, and its own first sample."""
        return max((placed for placed in self.session.prompts if placed[0] <= at), key=lambda placed: placed[0])


def detected(heard: Session) -> list[tuple[Frame, Sequence[Verdict]]]:
    """Every frame with the VAD's verdicts: the same for all settings."""
    vad = HybridVad(HybridOptions())
    step = FRAME_SAMPLES * SAMPLE_BYTES
    frames = [Frame(heard.pcm[at : at + step], at // SAMPLE_BYTES) for at in range(0, len(heard.pcm), step)]
    return [(frame, vad.feed(frame.pcm, frame.index)) for frame in frames]


def report(texts: Path, transcribe_ms: float, reply_ms: float, seed: int) -> Iterator[str]:
    """A line for each setting."""
    random = Random(seed)
    natural = prompts(texts)
    random.shuffle(natural)
    laid_out = [session(natural), session([hesitating(prompt, random) for prompt in natural])]
    frames = [detected(each) for each in laid_out]
    took = f"a transcription takes {transcribe_ms:.0f} ms, the reply to it {reply_ms:.0f} ms more"
    yield f"{len(natural)} prompts; {took}"
    yield "| how the end is decided | as recorded: cut / heard | wait | with a pause: cut / heard | wait |"
    yield "| --- | --- | --- | --- | --- |"
    for setting in SETTINGS:
        cells = [
            Listener(setting, each, transcribe_ms, reply_ms).listen(heard).cells()
            for each, heard in zip(laid_out, frames, strict=True)
        ]
        yield f"| {setting.name} | {' | '.join(cells)} |"
