"""Counts gaps inside replies when the network has jitter."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import numpy as np

from bench.turns.figures import Figure
from bench.turns.material import Reply, prompt, reply
from bench.turns.measures import Sound, gaps, locate
from bench.turns.parallel import at_once
from bench.turns.room import Quiet, open_room
from testbed.sound.cable import SPEAKER_HZ

PROMPTS = ("goodbye", "hello-world", "im-sorry")
REPLIES = (
    ("queue-thankyou",),
    ("all-circuits-busy-now", "please-try-again"),
    ("vm-msgsaved",),
    ("conf-muted", "vm-tooshort"),
    ("check-number-dial-again",),
)
"""Short replies, of one chunk and of two chunks."""
JITTER_MS = 150
ROOMS = 4
GAP_S = 0.02
_QUIET_S = 0.45
_PROBE_S = 0.2
_PATIENCE_S = 8.0


def measure(runs: int, sets: Sequence[str]) -> list[Figure]:
    """Measure `runs` replies in a few rooms at the same time; the first reply of each room doesn't count."""
    jobs = [partial(_measured, runs // ROOMS + (room < runs % ROOMS), sets, room) for room in range(ROOMS)]
    figure = Figure(f"gaps over 20 ms in replies, jitter 0–{JITTER_MS} ms", "gaps", "0 in 100 replies")
    replies: list[list[float] | None] = []
    for outcome in at_once(jobs):
        if isinstance(outcome, str):
            figure.notes.append(outcome)
        else:
            replies += outcome
    complete = [found for found in replies if found is not None]
    if complete:
        figure.values.append(sum(len(found) for found in complete))
        longest = max((gap for found in complete for gap in found), default=0.0)
        figure.notes.append(
            f"in {sum(map(bool, complete))} of {len(complete)} replies, the longest {longest * 1000:.0f} ms"
        )
    if lost := len(replies) - len(complete):
        figure.notes.append(f"{lost} more replies were not complete")
    return [figure]


def _measured(runs: int, sets: Sequence[str], seed: int) -> list[list[float] | None]:
    replies = [reply(*names) for names in REPLIES]
    prompts = [prompt(name) for name in PROMPTS]
    service = ["--jitter-ms", str(JITTER_MS), "--seed", str(seed)]
    with open_room(prompts, replies, sets=sets, service=service) as room:
        for number in range(runs + 1):
            with suppress(Quiet):  # the reply isn't complete: the recording shows it
                room.answered(prompts[number % len(prompts)], timeout_s=_PATIENCE_S)
            room.wait_for_silence(_QUIET_S)
        _, speaker = room.tracks()
    return [_gaps(speaker.between(uttered.at, until)[1], replies) for uttered, until in room.turns()[1:]]


def _gaps(sound: Sound, replies: Sequence[Reply]) -> list[float] | None:
    """The gaps in the reply that is in `sound`, in seconds; None when some of the reply is missing."""
    probe = round(_PROBE_S * SPEAKER_HZ)
    likely = max(replies, key=lambda one: locate(one.sound[:probe], sound)[1])
    found = gaps(likely.sound, sound, SPEAKER_HZ)
    if found is None:
        return None
    return [float(gap) for gap in np.asarray(found) if gap > GAP_S]
