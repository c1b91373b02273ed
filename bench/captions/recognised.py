"""Measures live captions by a real recogniser, on the track of the captions benchmark. Runs in real time.

The recogniser is in the program, or behind a loopback server, whose answers take at least a given time. It mishears
words, so a word that is missing from the captions need not have been lost by them. The same recogniser hears each
prompt alone, too: what it gets wrong there, no caption can get right.
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
from bench.captions.measures import Moment, Score, changes, score, watch
from bench.captions.mistakes import Mistakes, mistakes
from testbed.running import voiceloop
from testbed.serving import KEY, serving
from voiceloop.types import CAPTURE_RATE_HZ

PAUSE_S = 0.5
"""Somebody speaks on when the next word begins within this time."""

MODELS = {"moonshine": ("transcribe.use=moonshine",), "whisper": ("transcribe.use=whisper", "transcribe.model=tiny.en")}
"""The settings with which an engine runs in the program."""
HEAD = (
    "| engine | word's end to first shown, p50 / p90 / p95 | longest without an update in speech "
    "| shown words changed: settled, dim | posted per second of speech | words wrong (heard alone) | missing (alone) "
    "| repeated | processor |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True, slots=True)
class Run:
    """The result of one session. `settled`, `dim`: how many words changed after they were shown as such; `posted`:
    seconds of audio that were transcribed for each second of speech; `cores`: processor time by time, without the
    server's."""

    engine: str
    score: Score
    longest_s: float
    settled: int
    dim: int
    posted: float
    captions: Mistakes
    alone: Mistakes
    cores: float
    text: str

    def row(self) -> str:
        late = " / ".join(f"{self.score.wait_s(share):.2f}" for share in (0.5, 0.9, 0.95))
        shown = max(1, self.score.shown)
        changed = f"{self.settled / shown * 100:.1f} %, {self.dim / shown * 100:.1f} %"
        wrong = f"{self.captions.share * 100:.1f} % ({self.alone.share * 100:.1f} %)"
        missing = f"{self.captions.missing} ({self.alone.missing})"
        return (
            f"| {self.engine} | {late} s | {self.longest_s:.2f} s | {changed} | {self.posted:.1f} s "
            f"| {wrong} | {missing} | {self.captions.repeated} | {self.cores:.2f} cores |"
        )


def session(folder: Path, made: Material, engine: str, words: Sequence[str], *, service_ms: int | None = None) -> Run:
    """Run one session in real time, and score it. `service_ms`: the engine is behind a server whose answers take at
    least that long; None: it is in the program."""
    home = folder / (engine if service_ms is None else f"{engine}-served")
    env = os.environ | {f"XDG_{name}_HOME": str(home / name) for name in ("STATE", "CONFIG", "CACHE")}
    if service_ms is None:
        output, cores = _run(folder, made, [*MODELS.get(engine, (f"transcribe.use={engine}",)), *words], env)
    else:
        with serving("--engine", engine, "--transcribe-ms", str(service_ms)) as server:
            sets = [f"openrouter.base_url={server.url}", *words]
            output, cores = _run(folder, made, sets, env | {"OPENROUTER_API_KEY": KEY}, "--cloud")
    home.with_suffix(".jsonl").write_text(output)
    events = [json.loads(line) for line in output.splitlines()]
    name = engine if service_ms is None else f"{engine}, served, {service_ms} ms"
    return scored(name, made, events, _heard_alone(folder, made, engine, env), cores)


def scored(name: str, made: Material, events: Sequence[Mapping[str, Any]], alone: Mistakes, cores: float) -> Run:
    """Score the events of a session."""
    stopped = next(event for event in events if event["event"] == "captions.stopped")
    watched = watch(events)
    said = [(word.text, word.end / CAPTURE_RATE_HZ) for word in made.words]
    settled = changes([Moment(moment.at_s, moment.words[: moment.sure]) for moment in watched.moments])
    return Run(
        name,
        score(said, watched.moments, watched.finals),
        longest_without_update(made, [moment.at_s for moment in watched.moments]),
        settled,
        changes(watched.moments) - settled,
        stopped["posted_s"] / max(1.0, stopped["heard_s"]),
        mistakes(made.said(), watched.finals),
        alone,
        cores,
        " ".join(event["text"] for event in events if event["event"] == "caption.final"),
    )


def _run(folder: Path, made: Material, sets: Sequence[str], env: Mapping[str, str], *words: str) -> tuple[str, float]:
    """Caption the track; return the events as JSON lines, and the processor time that the program took by time."""
    seconds = made.samples / CAPTURE_RATE_HZ
    options = [word for value in sets for word in ("--set", value)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, output, errors = voiceloop(
        *("captions", "--json", "-i", f"file:{folder / 'track.wav'}", *words, *options),
        env=env,
        timeout_s=seconds + 120,
    )
    if code:
        raise SystemExit(f"voiceloop ended with {code}: {errors}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return output, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / seconds


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
        sets = [word for value in MODELS.get(engine, (f"transcribe.use={engine}",)) for word in ("--set", value)]
        code, output, errors = voiceloop("transcribe", "--json", *sets, *paths, env=env, timeout_s=600)
        if code:
            raise SystemExit(f"voiceloop ended with {code}: {errors}")
        texts = [json.loads(line)["text"] for line in output.splitlines()]
        for (_, said), text in zip(batch, texts, strict=True):
            total += mistakes(said, text.split())
    return total
