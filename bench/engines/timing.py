"""Time and cost of the engines, one at a time: recognisers with clips of several lengths, voices with sentences."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.engines.figures import Score, percentile, spread, table
from bench.engines.hearing import pcm_of
from bench.engines.job import Engine, Failed, Job, Measured, Outcome, measured
from bench.engines.material import SENTENCES, Clip, of_length
from bench.engines.words import compare
from bench.vad.material import RATE_HZ
from voiceloop.audio.wav import read_wav

LENGTHS_S = (2, 3, 5, 10, 30)


@dataclass(frozen=True, slots=True)
class Run:
    """An engine's work on free cores or beside a loaded one. `measured` is a line of text if it could not work."""

    engine: Engine
    cores: str
    measured: Measured | str
    score: Score | None = None
    """What a recogniser understood of the sentences that the engine said."""

    @property
    def name(self) -> str:
        return f"{self.engine.use}, {self.cores}"


@contextmanager
def cores(*, loaded: bool) -> Iterator[str]:
    """Load the first of the cores with a program that only counts, if `loaded`. Gives the words for the table."""
    if not loaded:
        yield "free cores"
        return
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as counting:
        try:
            os.sched_setaffinity(counting.pid, {min(os.sched_getaffinity(0))})
            yield "one core loaded"
        finally:
            counting.kill()


def write_clips(clips: Sequence[Clip], each: int, folder: Path) -> list[str]:
    """The files of `each` different clips of each length, in the order of `LENGTHS_S`."""
    paths = []
    for seconds in LENGTHS_S:
        for number, sound in enumerate(of_length(clips, seconds, each)):
            path = folder / f"{seconds}s-{number}.pcm"
            path.write_bytes(pcm_of(sound))
            paths.append(str(path))
    return paths


def hear(engine: Engine, items: Sequence[str], *, loaded: bool) -> Run:
    """A recogniser's work on clips."""
    with cores(loaded=loaded) as named:
        return Run(engine, named, _measured(Job(engine, items)))


def say(engine: Engine, count: int, folder: Path, *, loaded: bool, listener: Engine) -> Run:
    """A voice's work on `count` sentences, and how many of their words the listener understands."""
    texts = [SENTENCES[number * len(SENTENCES) // count] for number in range(count)]
    with cores(loaded=loaded) as named:
        found = _measured(Job(engine, texts, str(folder)))
    if isinstance(found, str):
        return Run(engine, named, found)
    items = []
    for number in range(count):
        path = folder / f"{number}.pcm"
        path.write_bytes(read_wav(folder / f"{number}.wav").at(RATE_HZ))
        items.append(str(path))
    heard = _measured(Job(listener, items))
    if isinstance(heard, str):
        return Run(engine, named, found)
    pairs = zip(texts, heard.outcomes, strict=True)
    return Run(engine, named, found, Score([compare(text, outcome.text) for text, outcome in pairs]))


def _measured(job: Job) -> Measured | str:
    try:
        return measured(job)
    except Failed as error:
        return str(error)


def by_length(found: Measured) -> list[Sequence[Outcome]]:
    """What became of the clips of each length."""
    each = len(found.outcomes) // len(LENGTHS_S)
    return [found.outcomes[at : at + each] for at in range(0, each * len(LENGTHS_S), each)]


def report_hearing(runs: Sequence[Run]) -> Iterator[str]:
    """The table of times to text, and the table of costs."""
    rows = []
    for run in runs:
        if isinstance(run.measured, Measured):
            lengths = by_length(run.measured)
            rows.append([run.name, *(spread([outcome.ms for outcome in one]) for one in lengths)])
            rows.append(["its processor time", *(spread([outcome.cpu_ms for outcome in one]) for one in lengths)])
    yield table(["time to text, p50 / p95, ms", *(f"{seconds} s" for seconds in LENGTHS_S)], rows)
    yield from _costs(runs)


def report_saying(runs: Sequence[Run]) -> Iterator[str]:
    """The table of times to sound, and the table of costs."""
    head = ["voice", "text to first PCM, p50 / p95", "to first audible PCM", "silence before it", "real-time factor"]
    rows = []
    for run in runs:
        if isinstance(run.measured, Measured):
            outcomes = run.measured.outcomes
            score = run.score
            rows.append(
                [
                    run.name,
                    f"{spread([outcome.first_ms for outcome in outcomes])} ms",
                    f"{spread([outcome.audible_ms for outcome in outcomes])} ms",
                    f"{percentile([outcome.silence_ms for outcome in outcomes], 0.5):.0f} ms",
                    f"{sum(outcome.ms for outcome in outcomes) / 1_000 / run.measured.seconds:.3f}",
                    f"{score.percent:.1f} % of {score.words}" if score else "not measured",
                ]
            )
    yield table([*head, "words not understood"], rows)
    yield from _costs(runs)


def _costs(runs: Sequence[Run]) -> Iterator[str]:
    head = [
        *("engine", "load", "memory loaded / after work", "CPU for an hour of speech"),
        "a 5 ms ticker was late at worst: idle / loading / working",
    ]
    rows = []
    for run in runs:
        if isinstance(run.measured, Measured):
            found = run.measured
            memory = f"+{found.loaded_mb - found.base_mb:.0f} / +{found.worked_mb - found.base_mb:.0f} MB"
            late = f"{found.idle_late_ms:.0f} / {found.load_late_ms:.0f} / {found.work_late_ms:.0f} ms"
            cpu = f"{found.cpu_s / found.seconds * 3_600:.0f} s"
            rows.append([run.name, f"{found.load_s:.2f} s", memory, cpu, late])
    yield table(head, rows)
    yield from (f"{run.name}: not measured: {run.measured}" for run in runs if isinstance(run.measured, str))
