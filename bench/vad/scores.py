"""Runs a VAD and the segmenter over a scene and counts errors. Makes no noise and prints no table."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.vad.material import RATE_HZ, Scene
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import SpeechEnded, SpeechStarted
from voiceloop.config.tables import Segment
from voiceloop.plugins import Vad
from voiceloop.types import FRAME_SAMPLES, SAMPLE_BYTES, Frame, Utterance

_CLIPPED = RATE_HZ * 50 // 1000
_NEVER = RATE_HZ * 5 // 2
"""A turn that has not ended this long after its speech, which is just before the next prompt, counts as never ended."""


@dataclass(frozen=True)
class Heard:
    """An utterance, and when the segmenter reported its start (`noticed`) and its end (`ended`), in samples fed."""

    utterance: Utterance
    noticed: int
    ended: int


@dataclass
class Score:
    """Counts that can be summed over scenes. Times are in samples, CPU in seconds."""

    prompts: int = 0
    words: int = 0
    missed: int = 0
    missed_words: int = 0
    never_ended: int = 0
    split: int = 0
    clipped_start: int = 0
    clipped_end: int = 0
    false_starts: int = 0
    false_turns: int = 0
    end_delays: list[int] = field(default_factory=list)
    notice_delays: list[int] = field(default_factory=list)
    samples: int = 0
    noise_samples: int = 0
    silero_samples: int = 0
    quiet_samples: int = 0
    quiet_silero_samples: int = 0
    cpu_s: float = 0.0
    quiet_cpu_s: float = 0.0

    @classmethod
    def total(cls, scores: Iterable[Score]) -> Score:
        total = cls()
        for score in scores:
            for name, value in vars(score).items():
                setattr(total, name, getattr(total, name) + value)
        return total


def score(vad: Vad, scene: Scene, segment: Segment) -> Score:
    """Score one scene. `vad` must be newly opened."""
    began = time.process_time()
    starts, heard = _listen(vad, scene, segment)
    cpu_s = time.process_time() - began
    samples = len(scene.pcm) // SAMPLE_BYTES
    silero = getattr(vad, "judged_hops", 0) * 512
    result = Score(samples=samples, silero_samples=silero, cpu_s=cpu_s)
    if scene.quiet_room:
        result.quiet_samples, result.quiet_silero_samples, result.quiet_cpu_s = samples, silero, cpu_s
    if not scene.spoken:
        result.noise_samples, result.false_starts, result.false_turns = samples, starts, len(heard)
    for (onset, end), word in zip(scene.spoken, scene.words, strict=True):
        _score_prompt(result, onset, end, heard, word=word)
    return result


def _listen(vad: Vad, scene: Scene, segment: Segment) -> tuple[int, list[Heard]]:
    segmenter = Segmenter(segment, hangover_ms=segment.hangover_ms)
    heard: list[Heard] = []
    starts, noticed = 0, 0
    step = FRAME_SAMPLES * SAMPLE_BYTES
    for offset in range(0, len(scene.pcm), step):
        frame = Frame(scene.pcm[offset : offset + step], offset // SAMPLE_BYTES)
        for event in segmenter.feed(frame, vad.feed(frame.pcm, frame.index)):
            if isinstance(event, SpeechStarted):
                starts, noticed = starts + 1, frame.end
            elif isinstance(event, SpeechEnded):
                heard.append(Heard(event.utterance, noticed, frame.end))
    last = [event.utterance for event in segmenter.flush() if isinstance(event, SpeechEnded)]
    end = len(scene.pcm) // SAMPLE_BYTES
    return starts, heard + [Heard(utterance, noticed, end + _NEVER) for utterance in last]


def _score_prompt(result: Score, onset: int, end: int, heard: list[Heard], *, word: bool) -> None:
    result.prompts += 1
    result.words += word
    over = [one for one in heard if min(one.utterance.end, end) - max(one.utterance.start, onset) > _CLIPPED]
    covered = sum(min(one.utterance.end, end) - max(one.utterance.start, onset) for one in over)
    if covered < (end - onset) // 2:
        result.missed += 1
        result.missed_words += word
        return
    last = over[-1]
    result.split += sum(not one.utterance.continues for one in over) > 1
    result.clipped_start += over[0].utterance.start > onset + _CLIPPED
    result.clipped_end += last.utterance.end < end - _CLIPPED
    if over[0].noticed >= onset:
        result.notice_delays.append(over[0].noticed - onset)
    if last.ended > end + _NEVER:
        result.never_ended += 1
    else:
        result.end_delays.append(last.ended - end)
