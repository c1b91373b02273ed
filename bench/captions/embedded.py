"""Measures live captions by an engine on this machine, on the track of the captions benchmark. Runs in real time.

The engine mishears words, so a word that is missing from the captions need not have been lost by them. The same engine
hears each prompt alone, too: what it gets wrong there, no caption can get right.
"""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.captions.material import Material
from bench.captions.measures import Moment, changes, score, watch
from bench.captions.mistakes import Mistakes, mistakes
from testbed.running import voiceloop
from voiceloop.types import CAPTURE_RATE_HZ

PAUSE_S = 0.5
"""Somebody speaks on when the next word begins within this time."""

HEAD = (
    "| engine | word's end to first shown, p50 / p95 | longest without an update in speech | settled words changed "
    "| words wrong (heard alone) | missing (alone) | repeated | processor |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True, slots=True)
class Run:
    """The result of one session. `cores`: processor time by time."""

    engine: str
    waits: tuple[float, float]
    longest_s: float
    changed: float
    captions: Mistakes
    alone: Mistakes
    cores: float
    text: str

    def row(self) -> str:
        wrong = f"{self.captions.share * 100:.1f} % ({self.alone.share * 100:.1f} %)"
        missing = f"{self.captions.missing} ({self.alone.missing})"
        return (
            f"| {self.engine} | {self.waits[0]:.2f} / {self.waits[1]:.2f} s | {self.longest_s:.2f} s "
            f"| {self.changed * 100:.1f} % | {wrong} | {missing} | {self.captions.repeated} | {self.cores:.2f} cores |"
        )


def session(folder: Path, made: Material, engine: str, words: Sequence[str]) -> Run:
    """Run one session in real time, and score it."""
    env = os.environ | {f"XDG_{name}_HOME": str(folder / engine / name) for name in ("STATE", "CONFIG", "CACHE")}
    sets = [word for value in (f"transcribe.use={engine}", *words) for word in ("--set", value)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = made.samples / CAPTURE_RATE_HZ
    code, output, errors = voiceloop(
        "captions", "--json", "-i", f"file:{folder / 'track.wav'}", *sets, env=env, timeout_s=seconds + 120
    )
    if code:
        raise SystemExit(f"voiceloop ended with {code}: {errors}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    (folder / f"{engine}.jsonl").write_text(output)
    watched = watch(json.loads(line) for line in output.splitlines())
    said = [(word.text, word.end / CAPTURE_RATE_HZ) for word in made.words]
    scored = score(said, watched.moments, watched.finals)
    settled = [Moment(moment.at_s, moment.words[: moment.sure]) for moment in watched.moments]
    return Run(
        engine,
        (scored.median_s, scored.wait_s(0.95)),
        longest_without_update(made, [moment.at_s for moment in watched.moments]),
        changes(settled) / max(1, len(watched.finals)),
        mistakes(made.said(), watched.finals),
        _heard_alone(folder, made, engine, env),
        (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / seconds,
        " ".join(event["text"] for event in _finals(output)),
    )


def _finals(output: str) -> Iterable[Mapping[str, Any]]:
    return (event for event in map(json.loads, output.splitlines()) if event["event"] == "caption.final")


def longest_without_update(made: Material, updates: Sequence[float]) -> float:
    """The longest time between two updates of the screen while somebody speaks, in seconds."""
    longest = 0.0
    for start_s, end_s in _stretches([(w.start / CAPTURE_RATE_HZ, w.end / CAPTURE_RATE_HZ) for w in made.words]):
        inside = [start_s, *(at for at in updates if start_s < at < end_s), end_s]
        longest = max(longest, *(b - a for a, b in pairwise(inside)))
    return longest


def _stretches(words: Sequence[tuple[float, float]]) -> Iterable[tuple[float, float]]:
    """The stretches of speech without a pause of PAUSE_S or more."""
    if not words:
        return
    start_s, end_s = words[0]
    for first_s, last_s in words[1:]:
        if first_s - end_s >= PAUSE_S:
            yield start_s, end_s
            start_s = first_s
        end_s = last_s
    yield start_s, end_s


def _heard_alone(folder: Path, made: Material, engine: str, env: Mapping[str, str]) -> Mistakes:
    """The mistakes of the engine when it transcribes each prompt of the track as a file of its own."""
    clips = made.cut(folder / "prompts")
    total = Mistakes(0, 0, 0, 0)
    for at in range(0, len(clips), 50):
        batch = clips[at : at + 50]
        paths = [str(path) for path, _ in batch]
        code, output, errors = voiceloop(
            "transcribe", "--json", "--set", f"transcribe.use={engine}", *paths, env=env, timeout_s=600
        )
        if code:
            raise SystemExit(f"voiceloop ended with {code}: {errors}")
        texts = [json.loads(line)["text"] for line in output.splitlines()]
        for (_, said), text in zip(batch, texts, strict=True):
            total += mistakes(said, text.split())
    return total
