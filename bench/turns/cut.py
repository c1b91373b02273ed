"""Prompts with inner pauses: does a reply begin in a pause, and is the whole prompt answered once?"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.turns.figures import Figure
from bench.turns.latency import end_of_speech
from bench.turns.material import Reply, letters, prompt, reply, spliced
from bench.turns.measures import SILENT, Track
from bench.turns.parallel import MODES, at_once
from bench.turns.posts import Posts, heard_chats, last_message
from bench.turns.room import Quiet, Uttered, open_room
from testbed.serving import Serving

SPLICES = (
    ("vm-youhave", "digits/5", "vm-messages"),
    ("something-terribly-wrong", "tt-weasels"),
    ("pls-hold-while-try", "vm-extension"),
    ("im-sorry", "number-not-answering"),
    ("to-call-this-number", "vm-press", "digits/7"),
    ("digits/1", "digits/9", "digits/3"),
    ("all-circuits-busy-now", "please-try-call-later"),
    ("vm-onefor", "call-waiting"),
    ("conf-thereare", "digits/4", "vm-messages"),
    ("Front_Left", "vm-and", "Rear_Right"),
    ("hello-world", "conf-onlyperson"),
    ("you-entered", "telephone-number"),
)
"""Recordings to be joined with pauses between them. In about half of the rows the first is an unfinished phrase, in the
others a whole sentence."""
PAUSES_S = (0.3, 1.0)
"""The shortest and the longest inner pause."""
_PATIENCE_S = 6.0
_SHOWN = 3
"""Wrong answers that are shown in the notes."""
REPLIES = ("queue-thankyou", "one-moment-please", "vm-msgsaved", "vm-tooshort", "conf-muted", "check-number-dial-again")


def measure(runs: int, sets: Sequence[str], *, seed: int = 5) -> list[Figure]:
    """Measure all echo modes at the same time, with the same prompts."""
    jobs = [partial(_measured, mode, runs, [f"audio.echo={mode}", *sets], seed) for mode in MODES]
    figures = []
    for mode, outcome in zip(MODES, at_once(jobs), strict=True):
        figures.append(_figure(mode, outcome) if not isinstance(outcome, str) else _failed(mode, outcome))
    return figures


@dataclass(frozen=True, slots=True)
class Cut:
    """The result of one prompt. `asked`: the user's message in each chat request whose reply was heard."""

    words: str
    heard_early: bool
    asked: tuple[str, ...]
    posted: int

    @property
    def answers(self) -> tuple[bool, ...]:
        """For each of those chat requests, whether its message was the whole prompt."""
        return tuple(letters(asked) == letters(self.words) for asked in self.asked)


def _measured(mode: str, runs: int, sets: Sequence[str], seed: int) -> list[Cut]:
    chance = random.Random(seed)
    prompts = [
        spliced(*[(name, chance.uniform(*PAUSES_S)) for name in names[:-1]], (names[-1], 0.0))
        for names in (SPLICES[number % len(SPLICES)] for number in range(runs))
    ]
    parts = [prompt(name) for name in sorted({name for names in SPLICES for name in names})]
    replies = [reply(name) for name in REPLIES]
    with open_room(parts, replies, sets=sets) as room:
        for spoken in prompts:
            with suppress(Quiet):  # answered in a pause, or not at all: the recordings show it
                room.answered(spoken, timeout_s=_PATIENCE_S)
            room.wait_for_silence(1.5)  # long enough for a second answer to begin
        tracks = room.tracks()
    return [_cut(room.server, uttered, until, tracks, replies) for uttered, until in room.turns()]


def _cut(server: Serving, uttered: Uttered, until: float, tracks: tuple[Track, Track], replies: Sequence[Reply]) -> Cut:
    mic, speaker = tracks
    ended = end_of_speech(mic, uttered) or uttered.at + uttered.spoken.seconds
    _, meanwhile = speaker.between(uttered.at, ended)
    _, all_ = speaker.between(uttered.at, until)
    posts = Posts.of(server.requests, uttered.at, until)
    asked = tuple(last_message(chat) for chat in heard_chats(posts, all_, replies))
    return Cut(uttered.spoken.words, bool((np.abs(meanwhile) > SILENT).any()), asked, len(posts.transcriptions))


def _figure(mode: str, cuts: Sequence[Cut]) -> Figure:
    merged = "counted" if mode == "half-duplex" else "every one merged, none answered twice"
    figure = Figure(f"prompts with inner pauses answered before their end, {mode}", "%", f"≤ 5 % heard, {merged}")
    figure.values.append(100 * sum(cut.heard_early for cut in cuts) / len(cuts))
    counts = {
        "answered once with the whole text": sum(cut.answers == (True,) for cut in cuts),
        "answered twice": sum(len(cut.answers) > 1 for cut in cuts),
        "answered in part": sum(cut.answers == (False,) for cut in cuts),
        "not answered": sum(not cut.answers for cut in cuts),
    }
    figure.notes.append(f"of {len(cuts)}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    parts = [f"'{' … '.join(cut.asked)}' for '{cut.words}'" for cut in cuts if cut.asked and cut.answers != (True,)]
    figure.notes.extend(parts[:_SHOWN])
    figure.notes.append(f"{sum(cut.posted for cut in cuts) / len(cuts):.1f} posts each")
    return figure


def _failed(mode: str, why: str) -> Figure:
    return Figure(f"prompts with inner pauses answered before their end, {mode}", "%", "≤ 5 % heard", notes=[why])
