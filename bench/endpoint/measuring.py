"""What is known at each pause of the endpointing benchmark: its words, as the embedded recogniser hears them, and its
sound. The real VAD and segmenter find the pauses, and the window of sound is the program's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from bench.endpoint.cutting import Turn
from bench.endpoint.material import in_a_room
from voiceloop.capture.endpointing.recent_sound import RecentSound
from voiceloop.capture.endpointing.smart_turn import SmartTurn
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import SpeechPaused
from voiceloop.capture.vad.hybrid import HybridOptions, HybridVad
from voiceloop.config.tables import Segment
from voiceloop.transcribe.embedded.moonshine.model_files import find
from voiceloop.transcribe.embedded.moonshine.recogniser import MoonshineRecogniser
from voiceloop.transcribe.embedded.recogniser import Call
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, SAMPLE_BYTES, Frame

Kind = Literal["open", "could", "end"]
_SESSION = 8
"""Turns in a session. Each begins with nothing in front, as the program does."""
_NEAR = CAPTURE_RATE_HZ * 3 // 10
"""The largest difference between where a word ends and where the VAD has the voice end."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known at one pause. `kind`: the end of a turn, or a pause in it, by what its words could be."""

    name: str
    kind: Kind
    kept: bool
    text: str
    sound: float
    """The log-odds of the acoustic judge that the turn is over."""
    voice_s: float
    """From the onset of the utterance."""


@dataclass(frozen=True, slots=True)
class Networks:
    """What is asked about each pause."""

    judge: SmartTurn
    recogniser: MoonshineRecogniser

    def known(self, turn: Turn, kind: Kind, found: Found) -> Known:
        """What they say about a pause."""
        clip = np.frombuffer(found.event.utterance.pcm, "<i2").astype(np.float32) / np.float32(32768)
        text = self.recogniser.recognise(clip, Call()).text
        voice_s = (found.event.since - found.event.utterance.start) / CAPTURE_RATE_HZ
        return Known(turn.name, kind, turn.kept, text, self.judge.log_odds(found.window), voice_s)


@dataclass(frozen=True, slots=True)
class Found:
    """A pause that the segmenter found, with its window of sound."""

    event: SpeechPaused
    window: np.ndarray


def measured(turns: Sequence[Turn], model: Path) -> Iterator[Known]:
    """What is known at all pauses of all turns. The judge's network is in the file `model`."""
    networks = Networks(SmartTurn(model), MoonshineRecogniser(find("tiny-en")))
    for start in range(0, len(turns), _SESSION):
        yield from _session(turns[start : start + _SESSION], networks)


def _session(turns: Sequence[Turn], networks: Networks) -> Iterator[Known]:
    ear, at = Ear(), 0
    for turn in turns:
        pauses = [found for frame in frames(turn, at) for found in ear.hear(frame)]
        ear.segmenter.flush()
        for kind, found in _placed(turn, at, pauses):
            yield networks.known(turn, kind, found)
        at += turn.span


@dataclass(slots=True)
class Ear:
    """What finds the pauses. No pause ends an utterance."""

    vad: HybridVad = field(default_factory=lambda: HybridVad(HybridOptions()))
    recent: RecentSound = field(default_factory=RecentSound)
    segmenter: Segmenter = field(default_factory=lambda: Segmenter(Segment(), hangover_ms=60_000))

    def hear(self, frame: Frame) -> list[Found]:
        """Take the next frame; return the pauses that it makes certain."""
        self.recent.hear(frame)
        events = self.segmenter.feed(frame, self.vad.feed(frame.pcm, frame.index))
        return [Found(event, self.recent.before(event.since)) for event in events if isinstance(event, SpeechPaused)]


def frames(turn: Turn, at: int) -> Iterator[Frame]:
    """A turn and the gap after it, in a room, from the sample `at` on."""
    pcm = in_a_room(turn.pcm + bytes(turn.span * SAMPLE_BYTES - len(turn.pcm)))
    step = FRAME_SAMPLES * SAMPLE_BYTES
    for place in range(0, len(pcm), step):
        yield Frame(pcm[place : place + step], at + place // SAMPLE_BYTES)


def _placed(turn: Turn, at: int, pauses: Sequence[Found]) -> Iterator[tuple[Kind, Found]]:
    """The pause that was put into the turn, and its end, as far as the VAD has found them."""
    wanted: list[tuple[Kind, int, int]] = [(turn.label, turn.cut, turn.resumed)]
    if turn.whole:
        wanted.append(("end", turn.end, len(turn.pcm) + CAPTURE_RATE_HZ))
    for kind, start, end in wanted:
        near = [each for each in pauses if start - _NEAR <= each.event.since - at < min(start + _NEAR, end)]
        if near:
            yield kind, near[-1]


def save(known: Sequence[Known], path: Path) -> None:
    """Write what is known as a line of JSON for each pause."""
    path.write_text("".join(json.dumps(asdict(each)) + "\n" for each in known), encoding="utf-8")


def load(path: Path) -> list[Known]:
    """Read what `save` has written."""
    return [Known(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
