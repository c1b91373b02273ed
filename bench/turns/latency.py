"""Measures the time from the end of speech to the first audible sound, beyond the services' times, and the requests
that were posted for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.turns.figures import Figure
from bench.turns.material import PROMPTS, Reply, prompt, reply
from bench.turns.measures import Sound, Track, locate
from bench.turns.posts import Posts, Used, cost, used
from bench.turns.room import Uttered, open_room
from testbed.serving import Serving
from voiceloop.audio.audible import first_audible

REPLIES = (
    ("all-circuits-busy-now", "please-try-again"),
    ("vm-msgsaved", "queue-thankyou"),
    ("check-number-dial-again", "goodbye"),
    ("vm-tooshort", "one-moment-please"),
)
"""Two sentences each, so that there is a chunk to prefetch. All differ, so the sound shows its
chat request."""
_QUIET_S = 0.6
"""Silence between a reply and the next prompt."""


def measure(runs: int, sets: Sequence[str]) -> list[Figure]:
    """Measure latency and requests on the same turns: prompts without inner pauses, one after another."""
    prompts = [prompt(PROMPTS[number % len(PROMPTS)]) for number in range(runs)]
    replies = [reply(*names) for names in REPLIES]
    with open_room(prompts[: len(PROMPTS)], replies, sets=sets) as room:
        for spoken in prompts:
            room.answered(spoken)
            room.wait_for_silence(_QUIET_S)
        tracks = room.tracks()
    turns = [_turn(room.server, uttered, until, tracks, replies) for uttered, until in room.turns()]
    figures = [*_latency(turns), *_posts(turns)]
    figures[0].notes.append(f"echo: {room.echo}")
    return figures


@dataclass(frozen=True, slots=True)
class Turn:
    """The requests for one prompt. `took_s`: from its end to the first audible sound; None when there was no sound."""

    posts: Posts
    used: Used | None
    took_s: float | None


def end_of_speech(mic: Track, uttered: Uttered) -> float | None:
    """When the prompt's last sample was at the microphone; None when the prompt isn't found in the recording."""
    first, sound = mic.between(uttered.at - 0.2, uttered.at + uttered.spoken.seconds + 1.5)
    at, correlation = locate(uttered.spoken.sound, sound)
    return mic.when(first + at + len(uttered.spoken.sound)) if correlation > 0.95 else None


def first_audible_sample(sound: Sound, rate_hz: int) -> int | None:
    """Where the loudspeaker becomes audible; None when it stays silent."""
    return first_audible(np.rint(sound).astype("<i2").tobytes(), rate_hz)


def _turn(
    server: Serving, uttered: Uttered, until: float, tracks: tuple[Track, Track], replies: Sequence[Reply]
) -> Turn:
    mic, speaker = tracks
    posts = Posts.of(server.requests, uttered.at, until)
    first, sound = speaker.between(uttered.at, until)
    ended, begins = end_of_speech(mic, uttered), first_audible_sample(sound, speaker.rate_hz)
    took_s = None if ended is None or begins is None else speaker.when(first + begins) - ended
    return Turn(posts, used(posts, sound, replies), took_s)


def _latency(turns: Sequence[Turn]) -> list[Figure]:
    over = Figure("end of speech → first audible sound, beyond the services' times", "ms", "median ≤ 280 ms", "~410 ms")
    total = Figure("end of speech → first audible sound, in all", "ms", "", "1,314 ms")
    for turn in turns:
        if turn.took_s is not None and turn.used is not None:
            total.values.append(turn.took_s * 1000)
            over.values.append((turn.took_s - turn.used.took_s()) * 1000)
    if lost := len(turns) - len(over.values):
        over.notes.append(f"{lost} of {len(turns)} turns could not be measured")
    return [over, total]


def _posts(turns: Sequence[Turn]) -> list[Figure]:
    posted = Figure("transcriptions posted per turn, no inner pauses", "posts", "≤ 1.4")
    wasted = Figure("wasted share of cost, no inner pauses", "%", "≤ 30 %")
    posted.values.append(sum(len(turn.posts.transcriptions) for turn in turns) / len(turns))
    all_ = sum(cost(turn.posts) for turn in turns)
    heard = sum(cost(Posts(t.used.transcriptions, [t.used.chat], t.used.speeches)) for t in turns if t.used is not None)
    wasted.values.append(100 * (1 - heard / all_) if all_ else 0.0)
    for name in ("transcriptions", "chats", "speeches"):
        requests = [request for turn in turns for request in getattr(turn.posts, name)]
        gone = sum(request["gone"] for request in requests)
        wasted.notes.append(f"{len(requests)} {name}, {gone} of them cancelled")
    return [posted, wasted]
