"""Open loudspeakers: counts the turns that the program starts from its own reply, and whether barge-ins still work.

The loopback module of the sound server is the echo path: it plays the loudspeaker's sound into the microphone's cable.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from bench.turns.figures import Figure
from bench.turns.latency import end_of_speech
from bench.turns.material import Spoken, letters, long_replies, prompt, reply
from bench.turns.measures import Track, locate, silent_from
from bench.turns.parallel import MODES, at_once
from bench.turns.posts import Posts, heard_chats, last_message
from bench.turns.room import Quiet, Room, Uttered, open_room
from testbed.sound.cable import MIC_HZ, Cable
from voiceloop.audio.resample import resample

ECHO_DB = -12
DELAYS_MS = (40, 80, 120)
"""The delays that the module is asked for. The real delays are measured, and shown in the notes."""
PROMPTS = ("transfer", "Front_Center", "conf-muted", "number-not-answering", "Side_Left", "please-try-call-later")
REPLIES = (
    ("vm-nobodyavail", "queue-thankyou"),
    ("conf-waitforleader", "one-moment-please"),
    ("cannot-complete-as-dialed", "check-number-dial-again"),
    ("conf-onlyperson", "tt-weasels"),
)
"""No reply is also a prompt, so a transcript shows whether the clip was the user's voice or the program's own."""
_SELF_S = 1.7
"""A turn that is started from the end of a reply is posted within this time: the longest hangover plus the service's
times."""
_PATIENCE_S = 6.0
_BARGE_INS = 5
_INTO_REPLY_S = 1.5
_YIELDS_S = 1.0


@dataclass
class Echo:
    """The result of one echo mode. `own_turns`: for each reply, how many turns were started from it."""

    own_turns: list[int] = field(default_factory=list)
    own_posts: int = 0
    wordless_posts: int = 0
    """Posted clips in which no recording was found: noise, or too small a part of one."""
    unanswered: int = 0
    delays_ms: list[float] = field(default_factory=list)
    interrupted: int | None = None
    """Barge-ins that worked, of `_BARGE_INS`; None where none was tried."""


def measure(runs: int, sets: Sequence[str]) -> list[Figure]:
    """Measure `runs` replies in each echo mode, all modes at the same time."""
    jobs = [partial(_measured, mode, runs, [f"audio.echo={mode}", *sets]) for mode in MODES]
    return [_figure(mode, outcome) for mode, outcome in zip(MODES, at_once(jobs), strict=True)]


@contextmanager
def echo_path(cable: Cable, delay_ms: int) -> Iterator[None]:
    """The loudspeaker's sound comes back at the microphone, later by `delay_ms` and quieter by `ECHO_DB`."""
    words = ("module-loopback", "source=speaker.monitor", "sink=mic_cable", f"latency_msec={delay_ms}", "adjust_time=0")
    module = cable.pactl("load-module", *words).strip()
    inputs = cable.pactl("list", "short", "sink-inputs").splitlines()
    number = next(line.split("\t")[0] for line in inputs if "module-loopback" in line)
    cable.pactl("set-sink-input-volume", number, f"{ECHO_DB}dB")
    try:
        yield
    finally:
        cable.pactl("unload-module", module)


def _measured(mode: str, runs: int, sets: Sequence[str]) -> Echo:
    prompts = [prompt(name) for name in PROMPTS]
    replies = [reply(*names) for names in REPLIES]
    echo = Echo()
    with open_room(prompts, replies, sets=sets) as room:
        for at, delay_ms in enumerate(DELAYS_MS):
            with echo_path(room.cable, delay_ms):
                for number in range(at, runs, len(DELAYS_MS)):
                    _exchange(room, prompts[number % len(prompts)])
        mic, speaker = room.tracks()
    for uttered, until in room.turns():
        posts = Posts.of(room.server.requests, uttered.at, until)
        heard = heard_chats(posts, speaker.between(uttered.at, until)[1], replies)
        _count(echo, posts, uttered.spoken, answered=bool(heard))
        if (late_ms := _delay_ms(uttered, until, mic, speaker)) is not None:
            echo.delays_ms.append(late_ms)
    if mode == "cancel":
        echo.interrupted = _interrupted(prompts, sets)
    return echo


def _exchange(room: Room, spoken: Spoken) -> None:
    with suppress(Quiet):  # not answered: the recordings show it
        room.answered(spoken, timeout_s=_PATIENCE_S)
    with suppress(Quiet):  # it answers itself without end: go on with the next prompt
        room.wait_for_silence(_SELF_S, timeout_s=_PATIENCE_S)


def _count(echo: Echo, posts: Posts, spoken: Spoken, *, answered: bool) -> None:
    said = letters(spoken.words)
    echo.own_turns.append(sum(letters(last_message(chat)) not in said for chat in posts.chats))
    texts = [one["words"][0][1] if one["words"] else "" for one in posts.transcriptions]
    echo.own_posts += sum(letters(text) not in said for text in texts)
    echo.wordless_posts += sum(not text for text in texts)
    echo.unanswered += not answered


def _delay_ms(uttered: Uttered, until: float, mic: Track, speaker: Track) -> float | None:
    """The delay of the echo: a second of the loudspeaker's sound is located in the microphone's recording."""
    begin = uttered.at + uttered.spoken.seconds + 0.2
    first, sound = speaker.between(begin, until)
    loud = np.flatnonzero(np.abs(sound) > 500)
    if not len(loud) or len(sound) - loud[0] < speaker.rate_hz:
        return None
    played = sound[loud[0] : loud[0] + speaker.rate_hz]
    wanted = np.frombuffer(
        resample(np.rint(played).astype("<i2").tobytes(), from_hz=speaker.rate_hz, to_hz=MIC_HZ), "<i2"
    )
    played_at = speaker.when(first + int(loud[0]))
    low, heard = mic.between(played_at - 0.1, played_at + 1.6)
    at, correlation = locate(wanted.astype(np.float64), heard)
    return (mic.when(low + at) - played_at) * 1000 if correlation > 0.7 else None


def _interrupted(prompts: Sequence[Spoken], sets: Sequence[str]) -> int:
    """Speak a few prompts over replies; how many silenced the reply within a second and were answered themselves."""
    replies = long_replies(4)
    with open_room(prompts, replies, sets=sets) as room, echo_path(room.cable, DELAYS_MS[1]):
        room.say(prompts[0])
        for number in range(_BARGE_INS):
            _wait_until_replying(room)
            room.say(prompts[(number + 1) % len(prompts)])
        _wait_until_replying(room)
        mic, speaker = room.tracks()
    return sum(_yielded(room, uttered, until, mic, speaker) for uttered, until in room.turns()[1:])


def _wait_until_replying(room: Room) -> None:
    """Wait until the prompt is spoken and the next reply has played for a while."""
    time.sleep(room.said[-1].spoken.seconds)
    with suppress(Quiet):  # the reply wasn't interrupted, which is counted later
        room.wait_for_silence(0.3, timeout_s=_PATIENCE_S)
    room.wait_for_sound()
    time.sleep(_INTO_REPLY_S)


def _yielded(room: Room, uttered: Uttered, until: float, mic: Track, speaker: Track) -> bool:
    ended = end_of_speech(mic, uttered)
    onset = uttered.at if ended is None else ended - uttered.spoken.seconds
    _, sound = speaker.between(onset, onset + _YIELDS_S + 0.2)
    silent = silent_from(sound, speaker.rate_hz)
    asked = [letters(last_message(chat)) for chat in Posts.of(room.server.requests, uttered.at, until).chats]
    return silent is not None and silent < _YIELDS_S * speaker.rate_hz and letters(uttered.spoken.words) in asked


def _figure(mode: str, outcome: Echo | str) -> Figure:
    figure = Figure(f"turns started from its own reply, echo {mode}", "turns", "0", "10 requests for 2 prompts")
    if isinstance(outcome, str):
        figure.notes.append(outcome)
        return figure
    figure.values.append(float(sum(outcome.own_turns)))
    figure.notes.append(f"in {sum(map(bool, outcome.own_turns))} of {len(outcome.own_turns)} replies")
    figure.notes.append(f"{outcome.own_posts} clips of its own voice posted, {outcome.wordless_posts} without words")
    figure.notes.append(f"{outcome.unanswered} prompts not answered")
    if outcome.delays_ms:
        figure.notes.append(f"echo {min(outcome.delays_ms):.0f} to {max(outcome.delays_ms):.0f} ms late")
    if outcome.interrupted is not None:
        figure.notes.append(f"{outcome.interrupted} of {_BARGE_INS} barge-ins worked")
    return figure
