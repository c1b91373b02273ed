"""The figures of one run, from its record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.rooms.parts import OWN, SAYS
from bench.rooms.scene import Heard
from bench.rooms.voices import Sound
from voiceloop.types import CAPTURE_RATE_HZ, CancelReason, Frame

_BARGE_IN = SAYS[-1]
_WINDOW = CAPTURE_RATE_HZ // 2
_FAINT_DB = 10.0
"""Windows whose echo is less than this over the noise say nothing of the canceller."""
NOISY_DB = 40.0
"""Where the echo is less than this over the noise, the noise limits what can be removed."""
_SHOWN_S = 0.3
"""A reply that has been silent for so long when the person speaks over it was cut off before."""


@dataclass
class Figures:
    """One run. `noticed_ms`: None if the person was not heard, or not while they spoke."""

    replies: int = 0
    own_turns: int = 0
    hushes: int = 0
    ducks: int = 0
    unanswered: int = 0
    spoken_over: bool = False
    """There was still a reply when the person spoke over it."""
    noticed_ms: float | None = None
    erle_db: list[float] = field(default_factory=list)
    """For each half second of the replies after the first."""
    over_noise_db: list[float] = field(default_factory=list)
    """How loud the output is over the noise, where the echo is less than `NOISY_DB` over it."""
    processing_ms: float = 0.0
    besides_ms: float = 0.0
    steps: int = 0


def figures_of(heard: Heard) -> Figures:
    """The figures of a run."""
    over = heard.over_reply
    alone = [(began, end if over is None or over.at < began else over.at) for began, end in heard.replies]
    published = [(at, name) for at, name, _ in heard.events]
    found = Figures(
        replies=len(heard.replies),
        own_turns=_own_turns(heard),
        hushes=_within(published, "held", alone),
        ducks=_within(published, "ducked", alone),
        unanswered=heard.unanswered,
        spoken_over=over is not None and _sounded_at(heard, over.at),
        processing_ms=heard.probe.processing_s * 1000,
        besides_ms=heard.probe.besides_s * 1000,
        steps=heard.probe.steps,
    )
    if found.spoken_over:
        found.noticed_ms = _noticed_ms(heard)
    found.erle_db, found.over_noise_db = _removed(heard, alone[1:])
    return found


def _own_turns(heard: Heard) -> int:
    """Turns that nobody has begun: with words that nobody said, or only with words that were answered before."""
    texts = [str(fields["text"]) for _, name, fields in heard.events if name == "transcript"]
    return own_turns(texts, [SAYS[said.number] for said in heard.world.said])


def own_turns(texts: Sequence[str], said: Sequence[str]) -> int:
    """How many of the turns with these texts nobody has begun, where `said` is all that was said."""
    due, found = Counter(said), 0
    for text in texts:
        words = [one for one in SAYS if one in text]
        found += OWN in text or not any(due[one] > 0 for one in words)
        due.subtract(words)
    return found


def _within(events: Sequence[tuple[float, str]], name: str, spans: Sequence[tuple[float, float]]) -> int:
    return sum(any(a <= at < b for a, b in spans) for at, event in events if event == name)


def _sounded_at(heard: Heard, at: float) -> bool:
    """Whether the last reply sounds then, or is held."""
    began, _ = heard.replies[-1]
    ended = [
        fields["outcome"] == "done" or fields["reason"] in {CancelReason.BARGE_IN, CancelReason.MERGED}
        for time, name, fields in heard.events
        if name == "turn.done" and began < time <= at - _SHOWN_S
    ]
    return heard.last_sound_before(at) > at - _SHOWN_S or not any(ended)


def _noticed_ms(heard: Heard) -> float | None:
    """After what time the reply fell silent for the person. If it was held for nothing when they began: when it was
    given up for them."""
    said = heard.over_reply
    assert said is not None
    if not any(name == "transcript" and _BARGE_IN in str(fields["text"]) for _, name, fields in heard.events):
        return None
    states = [name for at, name, _ in heard.events if at < said.at and name in {"held", "ducked", "resumed"}]
    signs = {"turn.done"} if states and states[-1] == "held" else {"held", "turn.done"}
    at = next((at for at, name, _ in heard.events if name in signs and at >= said.at), None)
    return (at - said.at) * 1000 if at is not None and at < said.over else None


def _removed(heard: Heard, spans: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """For each half second of `spans` with an echo: what was removed, and how loud the rest is over the noise."""
    world = heard.world
    if not heard.probe.clean:  # no canceller
        return [], []
    times = np.array(world.captured_at)
    echo = np.concatenate(world.echoes)
    near, clean = _joined(heard.probe.near, len(echo)), _joined(heard.probe.clean, len(echo))
    noise = 10 ** (world.condition.noise_dbfs / 10)
    removed, over_noise = [], []
    for began, end in spans:
        first, last = np.searchsorted(times, [began, end]) * (CAPTURE_RATE_HZ // 50)
        for at in range(int(first), int(last) - _WINDOW, _WINDOW):
            echo_db, near_db, clean_db = (_level(sound[at : at + _WINDOW], noise) for sound in (echo, near, clean))
            if echo_db >= _FAINT_DB:
                removed.append(near_db - clean_db)
                over_noise += [clean_db] if echo_db < NOISY_DB else []
    return removed, over_noise


def _joined(frames: Sequence[Frame], length: int) -> Sound:
    """The frames by their own indices."""
    sound = np.zeros(length)
    for frame in frames:
        sound[frame.index : frame.end] = np.frombuffer(frame.pcm, "<i2")[: max(0, length - frame.index)] / 32768
    return sound


def _level(sound: Sound, noise: float) -> float:
    """A level in dB, relative to the noise."""
    return float(10 * np.log10((np.square(sound).mean() + 1e-12) / noise))
