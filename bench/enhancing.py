"""Measures what noise suppression and gain control do to what the voice detector and the recogniser hear.

The same recordings, in the noises of the other benchmarks, as they are and through `audio.noise_suppression` and
`audio.gain_control`. Before each clip the enhancer hears two seconds of the same noise, as it would in a session.

    scripts/bench enhancing [--prompts N] [--sentences N] [--engine NAME] [--texts FILE]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from bench.endpoint.material import PACKAGES, TEXTS
from bench.engines.conditions import CONDITIONS, Condition
from bench.engines.figures import table
from bench.engines.hearing import Task, measure, pcm_of, report, tasks
from bench.engines.job import Engine
from bench.vad.material import RATE_HZ, Scene, Sound, make_scenes
from bench.vad.scores import Score, score
from voiceloop.capture.vad.hybrid import HybridOptions, HybridVad
from voiceloop.config.tables import Audio, Segment
from voiceloop.echo.webrtc_aec import open_enhancer
from voiceloop.types import FRAME_SAMPLES, SAMPLE_BYTES, Frame, Gap

WAYS = {
    "as it is": Audio(),
    "noise suppression": Audio(noise_suppression=True),
    "gain control": Audio(gain_control=True),
    "both": Audio(noise_suppression=True, gain_control=True),
}
_LEAD = 2 * RATE_HZ
_CONDITIONS = [condition for condition in CONDITIONS if ", 20 dB" not in condition.name]


def through(pcm: bytes, audio: Audio) -> bytes:
    """What the program's next steps hear of a sound: int16, mono, 16 kHz."""
    if not audio.enhances:
        return pcm
    enhancer, step = open_enhancer(audio), FRAME_SAMPLES * SAMPLE_BYTES
    items: Iterable[Frame | Gap] = chain.from_iterable(
        enhancer.take(Frame(pcm[at : at + step], at // SAMPLE_BYTES)) for at in range(0, len(pcm), step)
    )
    return b"".join(item.pcm for item in [*items, *enhancer.flush()] if isinstance(item, Frame))


def condition_through(condition: Condition, way: str) -> Condition:
    """A condition whose sound is then enhanced."""

    def heard(sound: Sound, seed: int) -> Sound:
        pcm = through(pcm_of(condition.heard(np.pad(sound, (_LEAD, 0)), seed)), WAYS[way])
        return np.frombuffer(pcm, "<i2")[_LEAD:] / 32768

    return Condition(f"{condition.name}; {way}", heard)


def detected(prompts: int) -> str:
    """The table of the voice detector."""
    scores: dict[str, list[Score]] = {way: [] for way in WAYS}
    for scene in make_scenes(prompts=prompts, noise_s=60.0, seed=1):
        for way, found in scores.items():
            enhanced: Scene = replace(scene, pcm=through(scene.pcm, WAYS[way]))
            found.append(score(HybridVad(HybridOptions()), enhanced, Segment()))
    columns: dict[str, Callable[[Score], str]] = {
        "false starts, a minute of noise": lambda one: f"{one.false_starts / (one.noise_samples / RATE_HZ / 60):.2f}",
        "missed": lambda one: f"{100 * one.missed / max(1, one.prompts):.1f} %",
        "clipped at the start": lambda one: f"{100 * one.clipped_start / max(1, one.prompts):.1f} %",
    }
    rows = [
        [way, *(column(total) for column in columns.values())]
        for way, total in ((way, Score.total(found)) for way, found in scores.items())
    ]
    return table(["voice detector: hybrid", *columns], rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench enhancing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, default=80, help="recordings for the voice detector")
    parser.add_argument("--sentences", type=int, default=50, help="sentences for the recogniser")
    parser.add_argument("--engine", default="moonshine", help="the recogniser (moonshine)")
    parser.add_argument("--texts", type=Path, default=TEXTS, help=f"the prompts' texts ({TEXTS.name})")
    given = parser.parse_args()
    if not given.texts.is_file():
        parser.error(f"the prompts' texts are missing: apt install {PACKAGES}")
    print(detected(given.prompts), end="\n\n", flush=True)
    sentences = tasks(given.texts, quick=False)[0].clips[: given.sentences]
    work = [
        Task("sentences", condition_through(condition, way), sentences) for condition in _CONDITIONS for way in WAYS
    ]
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(report(work, measure([Engine("transcribe", given.engine)], work, Path(folder)))))


if __name__ == "__main__":
    main()
