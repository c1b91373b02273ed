"""Word errors of the recognisers: the same recordings for each, as recorded and in several conditions."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bench.engines.conditions import CLEAN, CONDITIONS, Condition
from bench.engines.figures import Score, table
from bench.engines.job import Engine, Failed, Job, measured
from bench.engines.material import SENTENCE_WORDS, Clip, positions, prompts, readings
from bench.engines.words import compare, words_of
from bench.vad.material import RATE_HZ, Sound

NOISY = 75
"""How many of the sentences are heard in every condition."""
PREROLL_S, PAUSE_S = 0.3, 0.2
PHRASES = 100
"""How many of the shorter prompts are heard."""


@dataclass(frozen=True, slots=True)
class Task:
    """Some clips in one condition: a row of the table."""

    name: str
    condition: Condition
    clips: Sequence[Clip]


def tasks(texts: Path, *, quick: bool) -> list[Task]:
    """All rows of the table. `quick`: of few clips, in few conditions."""
    every = prompts(texts)
    random.Random(1).shuffle(every)
    sentences = [clip for clip in every if len(words_of(clip.text)) >= SENTENCE_WORDS]
    phrases = [clip for clip in every if len(words_of(clip.text)) < SENTENCE_WORDS]
    if quick:
        few = [clip for clip in sentences if clip.seconds < 8][:20]
        return [Task("sentences", condition, few) for condition in (CLEAN, CONDITIONS[1])]
    return [
        Task("prompts: sentences", CLEAN, sentences),
        Task("prompts: 1 to 3 words", CLEAN, phrases[:PHRASES]),
        Task("front left, rear right ...", CLEAN, positions()),
        Task("Dickens and Beckett, read", CLEAN, readings()),
        *(Task(f"{NOISY} of the sentences", condition, sentences[:NOISY]) for condition in CONDITIONS),
    ]


def measure(engines: Sequence[Engine], work: Sequence[Task], folder: Path) -> Mapping[str, Sequence[Score] | str]:
    """For each engine, by its name, the score of each task; or why it could not be measured. They work at once."""
    items = [str(path) for number, task in enumerate(work) for path in _written(task, folder, number)]
    with ThreadPoolExecutor() as pool:
        return dict(zip((one.use for one in engines), pool.map(partial(_scores, work, items), engines), strict=True))


def _scores(work: Sequence[Task], items: Sequence[str], engine: Engine) -> Sequence[Score] | str:
    try:
        heard = iter(measured(Job(engine, items)).outcomes)
    except Failed as error:
        return str(error)
    return [Score([compare(clip.text, next(heard).text) for clip in task.clips]) for task in work]


def _written(task: Task, folder: Path, number: int) -> Iterator[Path]:
    """The files of the task's clips, as they sound in its condition."""
    for clip in task.clips:
        path = folder / f"{number}-{clip.name.replace('/', '-')}.pcm"
        path.write_bytes(pcm_of(task.condition.heard(as_cut(clip.sound), zlib.crc32(clip.name.encode()))))
        yield path


def as_cut(sound: Sound) -> Sound:
    """A recording with the quiet around it that an utterance has when the program cuts it out: the pre-roll, and the
    pause after which it is transcribed."""
    return np.pad(sound, (round(PREROLL_S * RATE_HZ), round(PAUSE_S * RATE_HZ)))


def pcm_of(sound: Sound) -> bytes:
    """A sound as int16."""
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype("<i2").tobytes()


def report(work: Sequence[Task], found: Mapping[str, Sequence[Score] | str]) -> Iterator[str]:
    """The table of word errors, and why an engine is missing in it."""
    scores = {name: score for name, score in found.items() if not isinstance(score, str)}
    head = ["speech", "heard", "clips", "words", *(f"{name}: wrong" for name in scores)]
    rows = [
        [
            *(task.name, task.condition.name, str(len(task.clips))),
            str(sum(len(words_of(clip.text)) for clip in task.clips)),
            *(f"{score[number].percent:.1f} %" for score in scores.values()),
        ]
        for number, task in enumerate(work)
        if task.clips
    ]
    yield table(head, rows)
    yield from (f"{name}: not measured: {why}" for name, why in found.items() if isinstance(why, str))


def mistakes(work: Sequence[Task], scores: Sequence[Score]) -> Iterator[str]:
    """What was heard in place of what, clip by clip."""
    for task, score in zip(work, scores, strict=True):
        for clip, comparison in zip(task.clips, score.comparisons, strict=True):
            if comparison.differences:
                wrong = "; ".join(map(str, comparison.differences))
                yield f"{task.condition.name}, {clip.name} ({clip.seconds:.1f} s, {comparison.words} words): {wrong}"
